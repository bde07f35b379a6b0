from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.data.targets import target_masks
from instructsam.errors import InputError
from instructsam.evaluation.metrics.scoring import score_instruction
from instructsam.evaluation.rescore import rescore
from instructsam.evaluation.runner import evaluate
from instructsam.evaluation.runs.predictions import read_predictions
from instructsam.structures.predictions import Prediction
from tests.evaluation.fakes import RECORDS, Oracle, Shifted, Silent, make_record, toy_benchmark


def test_a_perfect_segmenter_scores_one() -> None:
    report = evaluate(Oracle(), toy_benchmark())
    entry = report.summary["overall"]
    for name in ("giou", "ciou", "set_giou", "ap", "ap50", "ap75", "n_acc", "t_acc", "exact_set"):
        assert entry[name] == pytest.approx(1.0), name
    assert entry["instructions"] == 5
    assert entry["targets"] == 6
    assert set(report.summary["by_family"]) == {"bars", "several", "none"}


def test_a_silent_segmenter_is_right_only_about_nothing() -> None:
    entry = evaluate(Silent(), toy_benchmark()).summary["overall"]
    assert entry["giou"] == pytest.approx(2 / 5)
    assert (entry["ap"], entry["n_acc"], entry["t_acc"]) == (0.0, 1.0, 0.0)


def test_a_shifted_segmenter_by_hand() -> None:
    entry = evaluate(Shifted(), toy_benchmark()).summary["overall"]
    assert entry["set_giou"] == pytest.approx((3 * 0.6 + 2) / 5)
    assert entry["ap50"] == pytest.approx(1.0)
    assert entry["ap75"] == 0.0
    assert entry["ap"] == pytest.approx(0.3)  # right at .50, .55 and .60
    assert entry["n_acc"] == 1.0


def test_a_low_threshold_keeps_the_wrong_guess() -> None:
    entry = evaluate(Shifted(), toy_benchmark(), score_threshold=0.1).summary["overall"]
    assert entry["n_acc"] == 0.0
    assert entry["exact_set"] == 0.0
    assert entry["errors"]["wrong_instance"] == 5


def test_one_call_per_image_for_all_candidates() -> None:
    oracle = Oracle()
    seen: list[int] = []
    report = evaluate(oracle, toy_benchmark(), limit=4, phrases_given=True, progress=seen.append)
    texts = [record.instruction for record in RECORDS]
    assert oracle.requests == [(texts[:3], "direct", 0.0), (texts[3:4], "direct", 0.0)]
    assert seen == [1, 2, 3, 4]
    assert report.provenance["mode"] == "direct"
    assert report.provenance["limit"] == 4
    assert report.provenance["score_threshold"] == 0.5


def test_predictions_are_stored_resumed_and_scored_again(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    whole = evaluate(Shifted(), toy_benchmark())
    evaluate(Shifted(), toy_benchmark(), limit=2, predictions_path=path)
    second = Shifted()
    resumed = evaluate(second, toy_benchmark(), predictions_path=path)
    assert [texts for texts, _, _ in second.requests] == [["the circles"], ["both bars", "no squares"]]
    assert resumed.summary == whole.summary
    assert [item.id for item in read_predictions(path)] == ["r1", "r2", "r3", "r4", "r5"]
    third = Shifted()
    assert evaluate(third, toy_benchmark(), predictions_path=path).summary == whole.summary
    assert third.requests == []
    assert rescore(path, toy_benchmark(), 0.5).summary == whole.summary
    assert rescore(path, toy_benchmark(), 0.1).summary["overall"]["n_acc"] == 0.0


def test_rescoring_says_what_is_absent(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    evaluate(Oracle(), toy_benchmark(), limit=2, predictions_path=path)
    report = rescore(path, toy_benchmark(), 0.5)
    assert report.summary["overall"]["instructions"] == 2
    assert "at least 1 instructions of the benchmark are not in the predictions file" in report.notes
    texts = replace(
        toy_benchmark(), texts=lambda: iter(RECORDS)
    )  # then no picture is needed, and all are counted
    assert (
        "3 instructions of the benchmark are not in the predictions file" in rescore(path, texts, 0.5).notes
    )
    other = toy_benchmark((make_record("x", "x.png", "the first bar", [[2]]),))
    with pytest.raises(InputError, match="nothing to score"):
        rescore(path, other, 0.5)


def test_another_model_does_not_continue_a_file(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    evaluate(Oracle(), toy_benchmark(), limit=1, predictions_path=path, provenance={"model": "a"})
    with pytest.raises(InputError, match=r"model=a, this run has b"):
        evaluate(Oracle(), toy_benchmark(), predictions_path=path, provenance={"model": "b"})


def test_what_was_done_before_a_failure_is_kept(tmp_path: Path) -> None:
    class Failing(Oracle):
        def segment(self, image: Image.Image, instructions: list[str], /, **options: Any) -> list[Prediction]:
            if self.requests:
                raise RuntimeError("broken on purpose")
            return super().segment(image, instructions, **options)

    path = tmp_path / "predictions.jsonl"
    with pytest.raises(RuntimeError, match="broken on purpose"):
        evaluate(Failing(), toy_benchmark(), predictions_path=path)
    assert [item.id for item in read_predictions(path)] == ["r1", "r2", "r3"]


def test_too_few_predictions_and_nothing_to_score_are_errors() -> None:
    class Short(Oracle):
        def segment(self, image: Image.Image, instructions: list[str], /, **options: Any) -> list[Prediction]:
            return super().segment(image, instructions, **options)[1:]

    with pytest.raises(InputError, match="must return 3 predictions, got 2"):
        evaluate(Short(), toy_benchmark())
    with pytest.raises(InputError, match="nothing to score"):
        evaluate(Oracle(), toy_benchmark(()))


def test_truncated_answers_are_said() -> None:
    class Cut(Silent):
        def segment(self, image: Image.Image, instructions: list[str], /, **options: Any) -> list[Prediction]:
            found = super().segment(image, instructions, **options)
            return [Prediction(**{**one.__dict__, "status": "truncated"}) for one in found]

    notes = evaluate(Cut(), toy_benchmark()).notes
    assert notes == ("5 of 5 answers were truncated before every phrase was written",)


def test_targets_of_all_phrases_are_pooled() -> None:
    masks = target_masks(RECORDS[1])
    assert masks.shape == (3, 20, 40)
    assert score_instruction(masks, np.ones(3), masks).exact
    assert target_masks(RECORDS[2]).shape == (0, 20, 40)
