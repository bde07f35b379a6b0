"""Two stored runs side by side, without a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from instructsam.errors import InputError
from instructsam.evaluation.metrics.registry import METRICS
from instructsam.evaluation.runner import evaluate
from instructsam.evaluation.runs.predictions import read_predictions
from instructsam.evaluation.runs.stored_run import (
    benchmark_name,
    predictions_file,
    stored_limit,
    stored_threshold,
)
from instructsam.evaluation.studies.compare import compare
from instructsam.structures.predictions import Prediction
from tests.evaluation.fakes import RECORDS, Oracle, Shifted, toy_benchmark


def run(folder: Path, segmenter: Oracle, limit: int | None = None) -> Path:
    folder.mkdir()
    path = folder / "predictions.jsonl"
    report = evaluate(segmenter, toy_benchmark(), limit, predictions_path=path)
    (folder / "report.json").write_text(report.to_json())
    return path


def test_a_better_run_is_seen_as_better(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", Shifted()), run(tmp_path / "b", Oracle())
    found = compare(a, b, toy_benchmark(), (0.5, 0.5), resamples=200)
    assert found.instructions == 5
    assert found.differences["ap"].a == pytest.approx(0.3)
    assert found.differences["ap"].b == pytest.approx(1.0)
    giou = found.differences["giou"]
    assert giou.difference == pytest.approx(1 - giou.a)
    assert 0 <= giou.interval.low <= giou.difference <= giou.interval.high
    text = found.to_text()
    assert "## toy: 5 instructions" in text
    assert f"- A: {a}, score threshold 0.5" in text
    assert next(line for line in text.splitlines() if line.startswith("| AP ")).split()[-4] == "*"
    assert json.loads(json.dumps(found.to_dict()))["differences"]["ap"]["b"] == 1.0


def test_thresholds_are_each_runs_own(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", Shifted()), run(tmp_path / "b", Shifted())
    found = compare(a, b, toy_benchmark(), (0.5, 0.1), resamples=20)
    assert found.differences["n_acc"].difference == -1.0
    assert found.differences["ap"].difference == 0.0


class Refusing(Oracle):
    """Takes only the first picture."""

    def segment(
        self, image: Image.Image, instructions: list[str], /, *, mode: str, score_threshold: float
    ) -> list[Prediction]:
        if self.requests:
            raise InputError("too long")
        return super().segment(image, instructions, mode=mode, score_threshold=score_threshold)


def test_unanswered_instructions_that_are_not_compared_are_not_counted(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", Oracle(), limit=3), run(tmp_path / "b", Refusing())
    unanswered = [item.id for item in read_predictions(b) if not item.answered]
    compared = {item.id for item in read_predictions(a)} & set(unanswered)
    found = compare(a, b, toy_benchmark(), (0.5, 0.5), resamples=20)
    assert len(compared) < len(unanswered)
    notes = [note for note in found.notes if "unanswered" in note]
    assert notes == [f"B leaves {len(compared)} instructions unanswered, counted as wrong"] * bool(compared)


def test_a_run_whose_last_line_was_cut_is_compared(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", Oracle()), run(tmp_path / "b", Oracle())
    b.write_bytes(b.read_bytes()[:-9])
    found = compare(a, b, toy_benchmark(), (0.5, 0.5), resamples=20)
    assert found.instructions == 4
    assert f"{b}: the last line was cut off and is left out" in found.notes


def test_only_what_both_answer_is_counted(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", Shifted(), limit=3), run(tmp_path / "b", Oracle())
    found = compare(a, b, toy_benchmark(), (0.5, 0.5), resamples=20)
    assert found.instructions == 3
    assert "2 instructions are answered by one run only and not counted" in found.notes


def test_runs_are_found_by_folder(tmp_path: Path) -> None:
    path = run(tmp_path / "a", Oracle())
    assert predictions_file(tmp_path / "a") == predictions_file(path) == path
    assert stored_threshold(path) == 0.5
    assert benchmark_name(path) == "toy"
    with pytest.raises(
        InputError, match=r"no predictions at .*name a predictions.jsonl, or the --out folder"
    ):
        predictions_file(tmp_path)
    (tmp_path / "a" / "report.json").write_text("{}")
    with pytest.raises(InputError, match=r"report.json does not say .* give it with --score-threshold"):
        stored_threshold(path)


@pytest.mark.parametrize("resamples", [1, 2, 5])
def test_few_resamples_print_and_are_json(resamples: int, tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", Shifted()), run(tmp_path / "b", Oracle())
    found = compare(a, b, toy_benchmark(), (0.5, 0.5), resamples)
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert list(document["differences"]) == list(METRICS)
    assert "nan" not in found.to_text()
    with pytest.raises(InputError, match="resamples must be a whole number"):
        compare(a, b, toy_benchmark(), (0.5, 0.5), 0)


def test_undefined_scores_are_dashes_and_null(tmp_path: Path) -> None:
    records = RECORDS[:2]  # every record has a target
    paths = []
    for name, segmenter in (("a", Shifted()), ("b", Oracle())):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "predictions.jsonl")
        evaluate(segmenter, toy_benchmark(records), predictions_path=paths[-1])
    found = compare(paths[0], paths[1], toy_benchmark(records), (0.5, 0.5), 50)
    rows = {
        line.split("|")[1].strip(): line.split("|")[2:-1]
        for line in found.to_text().splitlines()
        if "|" in line
    }
    for title in ("cgF1 ↑", "IL_MCC ↑", "N-acc ↑"):
        assert [cell.strip() for cell in rows[title]] == ["-", "-", "-", "-", "", "-"], title
    assert found.to_dict()["differences"]["cgf1"] is None
    assert rows["pmF1 ↑"][0].strip() != "-"
    assert "dup/img ↓" in rows


def test_limits_of_stored_runs(tmp_path: Path) -> None:
    path = run(tmp_path / "a", Oracle(), limit=3)
    assert stored_limit(path) == 3
    assert stored_limit(tmp_path / "predictions.jsonl") is None
