"""A record that the model cannot take: named, counted, scored as wrong, and the run goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.metrics.bootstrap import bootstrap_intervals
from instructsam.evaluation.metrics.scoring import score_unanswered
from instructsam.evaluation.metrics.table import summarise
from instructsam.evaluation.reports.page import render_page
from instructsam.evaluation.rescore import rescore
from instructsam.evaluation.runner import evaluate
from instructsam.evaluation.runs.predictions import PredictionFile, by_id, read_predictions
from instructsam.evaluation.runs.shards import Shard, Share, merge_parts, part_path
from instructsam.evaluation.studies.compare import compare
from instructsam.structures.predictions import Prediction
from tests.evaluation.cases import bars, score
from tests.evaluation.fakes import HEIGHT, RECORDS, WIDTH, Oracle, toy_benchmark, toy_folder


class Picky(Oracle):
    """Refuses instructions that hold one of these words."""

    def __init__(self, *refused: str) -> None:
        super().__init__()
        self.refused = refused

    def segment(self, image: Image.Image, instructions: list[str], /, **options: Any) -> list[Prediction]:
        for number, text in enumerate(instructions):
            if any(word in text for word in self.refused):
                raise InputError(f"instructions[{number}] is too long: shorten it\nsecond line")
        return super().segment(image, instructions, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The toy records as a benchmark folder."""
    return toy_folder(tmp_path / "data")


def test_the_rest_is_answered_and_the_report_names_it() -> None:
    lines: list[str] = []
    report = evaluate(Picky("circles", "both"), toy_benchmark(), warn=lines.append)
    reason = "instructions[0] is too long: shorten it"
    assert report.unanswered == (("r3", reason), ("r4", reason))
    assert lines == [f"{name}: unanswered, {reason}" for name in ("r3", "r4")]
    entry = report.summary["overall"]
    assert (entry["instructions"], entry["unanswered"]) == (5, 2)
    # r1, r2 and r5 are right; r4 has targets, r3 has none and is not credited for silence.
    for name in ("giou", "set_giou", "exact_set", "exact_boxes"):
        assert entry[name] == pytest.approx(3 / 5), name
    assert (entry["n_acc"], entry["t_acc"]) == (0.5, pytest.approx(2 / 3))
    assert report.to_dict()["unanswered"][0] == {"id": "r3", "reason": reason}
    for text in (report.to_text(), render_page(report)):
        assert "Unanswered, counted as wrong: 2 of 5" in text
        assert "r3: instructions[0] is too long" in text
    assert "r3: instructions\\[0\\] is too long" in report.to_markdown()


def test_unanswered_is_never_silence_that_is_right() -> None:
    nothing = score_unanswered(score(bars(), [], bars(), id="a"))
    assert (nothing.giou, nothing.set_giou, nothing.exact, nothing.exact_boxes) == (0.0, 0.0, False, False)
    assert (nothing.concept.targets, nothing.concept.kept) == (0, 1)  # cgF1's gate sees a false alarm
    missed = score_unanswered(score(bars(), [], bars((0, 10)), id="b"))
    assert (missed.giou, missed.num_missed, missed.concept.kept) == (0.0, 1, 0)
    right = score(bars((0, 10)), [0.9], bars((0, 10)), id="c")
    entry = summarise([nothing, missed, right])["overall"]
    assert (entry["n_acc"], entry["t_acc"], entry["il_mcc"]) == (0.0, 0.5, pytest.approx(-0.5))
    assert bootstrap_intervals([nothing, missed, right], 200)["n_acc"].high == 0.0
    # One annotator saw nothing: silence would be right, no answer is not.
    alone = score_unanswered(score(bars(), [], bars((0, 10)), alternatives=[bars()]))
    assert (alone.concept.targets, alone.concept.kept) == (0, 1)


def test_a_picture_that_cannot_be_read_does_not_end_the_run(folder: Path) -> None:
    (folder / "two.png").write_bytes(b"not a picture")
    report = evaluate(Oracle(), Benchmark.from_folder(folder))
    assert [name for name, _ in report.unanswered] == ["r4", "r5"]
    assert "two.png" in report.unanswered[0][1]
    Image.new("RGB", (HEIGHT, WIDTH)).save(folder / "two.png")
    report = evaluate(Oracle(), Benchmark.from_folder(folder))
    assert report.unanswered[0][1].startswith("record 'r4': ")
    assert "two.png: the record states 40 x 20 px, the image has 20 x 40" in report.unanswered[0][1]
    (folder / "two.png").unlink()
    assert len(evaluate(Oracle(), Benchmark.from_folder(folder)).unanswered) == 2


def test_what_is_missing_as_a_whole_is_an_error_before_the_first_answer(folder: Path) -> None:
    oracle = Oracle()
    for name in ("one.png", "two.png"):
        (folder / name).unlink()
    with pytest.raises(InputError, match="none of the images of its 5 records is there"):
        evaluate(oracle, Benchmark.from_folder(folder))
    with pytest.raises(InputError, match=r"none of the 5 instructions of toy could be answered.*too long"):
        evaluate(Picky(""), toy_benchmark())
    assert oracle.requests == []


def test_a_duplicate_id_is_found_before_the_first_answer(folder: Path) -> None:
    path = folder / "records.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")
    oracle = Oracle()
    with pytest.raises(InputError, match="'r1'"):
        evaluate(oracle, Benchmark.from_folder(folder))
    assert oracle.requests == []
    records = (*RECORDS, RECORDS[0])
    doubled = Benchmark("toy", toy_benchmark(records).source, texts=lambda: iter(records))
    with pytest.raises(InputError, match="an id of its own, but 'r1' comes twice"):
        evaluate(oracle, doubled)
    assert oracle.requests == []


def test_errors_that_are_not_about_input_stop_the_run() -> None:
    class Broken(Oracle):
        def segment(self, image: Image.Image, instructions: list[str], /, **options: Any) -> list[Prediction]:
            raise MemoryError("out of memory")

    with pytest.raises(MemoryError):
        evaluate(Broken(), toy_benchmark())


def test_it_is_stored_scored_again_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    first = evaluate(Picky("circles"), toy_benchmark(), predictions_path=path)
    stored = by_id(read_predictions(path))
    assert (stored["r3"].status, stored["r3"].answered, stored["r3"].masks) == ("unanswered", False, ())
    again = rescore(path, toy_benchmark(), 0.5)
    assert (again.summary, again.unanswered) == (first.summary, first.unanswered)
    picky = Picky("circles")
    assert evaluate(picky, toy_benchmark(), predictions_path=path).unanswered == first.unanswered
    assert picky.requests == []
    assert len(list(read_predictions(path))) == 5, "the same reason is not written twice"
    repaired = evaluate(Picky(), toy_benchmark(), predictions_path=path)
    assert repaired.summary["overall"]["giou"] == 1.0
    assert repaired.summary == rescore(path, toy_benchmark(), 0.5).summary
    assert len(list(read_predictions(path))) == 6


def test_both_runs_of_a_comparison_count_it(tmp_path: Path) -> None:
    paths = []
    for name, refused in (("a", "circles"), ("b", "never said")):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "predictions.jsonl")
        evaluate(Picky(refused), toy_benchmark(), predictions_path=paths[-1])
    found = compare(paths[0], paths[1], toy_benchmark(), (0.5, 0.5), resamples=20)
    assert found.instructions == 5
    assert found.differences["n_acc"].difference == 0.5
    assert "A leaves 1 instructions unanswered, counted as wrong" in found.notes


@pytest.mark.parametrize("processes", [2, 3])
def test_every_number_of_processes_counts_the_same(processes: int, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    whole = evaluate(Picky("circles"), toy_benchmark())
    for rank in range(processes):
        samples: Sequence[Any] = list(toy_benchmark().load(wanted=Share(Shard(rank, processes))))
        part = Benchmark("toy", lambda _, samples=samples: iter(samples))  # type: ignore[misc]
        if samples:
            evaluate(Picky("circles"), part, predictions_path=part_path(path, Shard(rank, processes)))
    header = json.loads(next(tmp_path.glob("*part*")).read_text().splitlines()[0])
    header.pop("format")
    merge_parts(path, header)
    again = rescore(path, toy_benchmark(), 0.5)
    assert (again.summary, again.unanswered) == (whole.summary, whole.unanswered)
    # A later process that could take the record brings its answer; an older reason never replaces an answer.
    with PredictionFile(part_path(path, Shard()), header) as late, PredictionFile(path, header) as known:
        item = known.done["r1"]
        late.append(type(item)(**{**item.__dict__, "status": "unanswered", "reason": "x", "masks": (), "scores": (),
                                  "phrase_ids": ()}))  # fmt: skip
    merge_parts(path, header)
    assert by_id(read_predictions(path))["r1"].answered
