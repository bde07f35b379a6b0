"""A run folder holds answers of one run: same settings, same content, one writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instructsam.data.record import Record, write_records
from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.benchmarks.names import get_benchmark
from instructsam.evaluation.rescore import rescore
from instructsam.evaluation.runner import evaluate
from instructsam.evaluation.runs.content import RecordContent, answer_settings
from instructsam.evaluation.runs.predictions import read_header
from instructsam.evaluation.studies.calibrate import calibrate
from instructsam.evaluation.studies.false_alarms import count_false_alarms
from instructsam.evaluation.studies.robustness import measure
from instructsam.structures.locks import FolderLock
from instructsam.structures.predictions import Prediction
from tests.evaluation.fakes import HEIGHT, RECORDS, WIDTH, Oracle, Silent, toy_benchmark, toy_folder


class Precise(Oracle):
    """Has what a model has: weights in a number format, and limits of its replies."""

    fingerprint = "0123456789ab"

    def __init__(self, dtype: str = "torch.float32") -> None:
        super().__init__()
        self.model = type("Model", (), {"dtype": dtype})()

    def segment(  # type: ignore[override]
        self,
        image: Image.Image,
        instructions: list[str],
        /,
        *,
        mode: str,
        score_threshold: float,
        mask_threshold: float = 0.0,
        max_new_tokens: int = 128,
    ) -> list[Prediction]:
        return super().segment(image, instructions, mode=mode, score_threshold=score_threshold)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy_folder(tmp_path / "data")


def asked(oracle: Oracle) -> list[str]:
    return [text for texts, _, _ in oracle.requests for text in texts]


def test_the_settings_of_answers_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    report = evaluate(Precise(), toy_benchmark(), predictions_path=path, limit=1)
    expected = {"precision": "float32", "mask_threshold": "0.0", "max_new_tokens": "128"}
    assert answer_settings(Precise()) == expected
    assert expected.items() <= read_header(path).items()
    assert read_header(path)["model"] == "0123456789ab"
    assert expected.items() <= report.provenance.items()
    with pytest.raises(InputError, match="precision=float32, this run has bfloat16"):
        evaluate(Precise("torch.bfloat16"), toy_benchmark(), predictions_path=path)
    with pytest.raises(InputError, match="quantize=not given, this run has int8"):
        evaluate(Precise(), toy_benchmark(), predictions_path=path, provenance={"quantize": "int8"})
    with pytest.raises(InputError, match="mode=generate, this run has direct"):
        evaluate(Precise(), toy_benchmark(), predictions_path=path, phrases_given=True)


def test_an_edited_instruction_is_answered_again(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    evaluate(Oracle(), Benchmark.from_folder(folder), predictions_path=path)
    edited = [replace(RECORDS[0], instruction="no squares"), *RECORDS[1:]]
    write_records(folder / "records.jsonl", edited)
    again = rescore(path, Benchmark.from_folder(folder), 0.5)
    assert again.summary["overall"]["instructions"] == 4
    assert "1 stored answers are for another instruction or image size and are left out" in again.notes
    second = Oracle()
    report = evaluate(second, Benchmark.from_folder(folder), predictions_path=path)
    assert asked(second) == ["no squares"]
    assert report.notes == (
        "1 stored answers were to another instruction or picture under the same id and were predicted again",
    )
    third = Oracle()
    assert evaluate(third, Benchmark.from_folder(folder), predictions_path=path).summary == report.summary
    assert third.requests == []


def test_another_picture_is_answered_again_and_changed_targets_are_not(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    evaluate(Oracle(), Benchmark.from_folder(folder), predictions_path=path)
    Image.new("RGB", (WIDTH, HEIGHT), "white").save(folder / "two.png")
    write_records(folder / "records.jsonl", [replace(RECORDS[0], phrases=RECORDS[3].phrases), *RECORDS[1:]])
    second = Oracle()
    report = evaluate(second, Benchmark.from_folder(folder), predictions_path=path)
    assert asked(second) == [RECORDS[3].instruction, RECORDS[4].instruction]
    assert report.summary["overall"]["giou"] < 1.0, "scored against the changed targets"


def test_who_sees_the_targets_answers_again_when_they_change() -> None:
    record, other = RECORDS[0], replace(RECORDS[0], phrases=RECORDS[3].phrases)
    there = Path("/nowhere")
    assert RecordContent(there)(record) == RecordContent(there)(other)
    assert RecordContent(there, whole=True)(record) != RecordContent(there, whole=True)(other)
    assert RecordContent(None)(record) != RecordContent(None)(other)  # drawn: the masks stand for the picture


@pytest.mark.parametrize("kind", ["evaluate", "robustness", "calibrate", "false alarms"])
def test_one_writer_per_folder(kind: str, tmp_path: Path) -> None:
    runs: dict[str, Callable[[], Any]] = {
        "evaluate": lambda: evaluate(
            Oracle(), toy_benchmark(), predictions_path=tmp_path / "predictions.jsonl"
        ),
        "robustness": lambda: measure(Oracle(), toy_benchmark(), folder=tmp_path, perturbations={}),
        "calibrate": lambda: calibrate(Oracle(), False, None, None, toy_benchmark(), tmp_path),
        "false alarms": lambda: count_false_alarms(Quiet(), 1, folder=tmp_path),
    }
    with FolderLock(tmp_path), pytest.raises(InputError, match="already writing there"):
        runs[kind]()
    runs[kind]()


class Quiet(Silent):
    """Answers anything with nothing; dies in its call number `dies`."""

    def __init__(self, dies: int = 10**6) -> None:
        super().__init__()
        self.dies = dies

    def segment(self, image: Image.Image, instructions: list[str], /, **options: Any) -> list[Prediction]:
        if len(self.requests) == self.dies:
            raise KeyboardInterrupt
        self.requests.append((instructions, "", 0.0))
        record = Record(**{**RECORDS[2].__dict__, "instruction": instructions[0]})
        nothing = self._predict(record, Image.new("RGB", (WIDTH, HEIGHT)))
        empty = type(nothing.instances).empty(image.height, image.width)
        fields = {**nothing.__dict__, "instances": empty, "original_size": (image.height, image.width)}
        return [Prediction(**{**fields, "image": image, "instruction": text}) for text in instructions]


def test_a_stopped_calibration_resumes(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        calibrate(Quiet(dies=1), False, None, None, toy_benchmark(), tmp_path)
    second = Quiet()
    found = calibrate(second, False, None, None, toy_benchmark(), tmp_path)
    assert len(second.requests) == 1, "the first picture is answered already"
    assert found == calibrate(Quiet(), False, None, None, toy_benchmark())
    with pytest.raises(InputError, match="answers of another run"):
        calibrate(Quiet(), True, None, None, toy_benchmark(), tmp_path)


def test_stopped_false_alarms_resume(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        count_false_alarms(Quiet(dies=3), 3, folder=tmp_path)
    second = Quiet()
    found = count_false_alarms(second, 3, folder=tmp_path)
    assert len(second.requests) == 3
    assert found.rows == count_false_alarms(Quiet(), 3).rows
    with pytest.raises(InputError, match="false alarms, 3 of each, this run has false alarms, 2 of each"):
        count_false_alarms(Quiet(), 2, folder=tmp_path)


def test_a_limited_run_does_not_warn_about_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    evaluate(Oracle(), toy_benchmark(), limit=2, predictions_path=path)
    report = rescore(path, toy_benchmark(), 0.5, limit=2)
    assert (report.notes, report.provenance["limit"]) == ((), 2)
    assert rescore(path, toy_benchmark(), 0.5).notes != ()


def test_a_folder_that_was_moved_is_scored_again(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    report = evaluate(Oracle(), Benchmark.from_folder(folder), predictions_path=path)
    other = tmp_path / "other"
    other.mkdir()
    write_records(other / "records.jsonl", RECORDS)
    with pytest.raises(InputError, match="not of"):
        rescore(path, Benchmark.from_folder(other), 0.5)  # the first folder is still there
    folder.rename(tmp_path / "moved")
    assert rescore(path, Benchmark.from_folder(tmp_path / "moved"), 0.5).summary == report.summary
    with pytest.raises(InputError, match="not of 'world/val'"):
        rescore(path, get_benchmark("world/val"), 0.5)
