"""cgF1 by hand, and with the released evaluator's small numbers."""

from __future__ import annotations

import numpy as np
import pytest

from instructsam.evaluation.metrics.concept_f1 import concept_score, matthews
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.table import summarise
from tests.evaluation.cases import bars, score


def entry(*scores: InstructionScore) -> dict[str, float | None]:
    return {name: summarise(scores)["overall"][name] for name in ("cgf1", "pm_f1", "il_mcc")}


RIGHT = score(bars((0, 10), (20, 30)), [0.9, 0.8], bars((0, 10), (20, 30)), id="right")
HALF = score(bars((0, 10), (50, 60)), [0.9, 0.8], bars((0, 10), (20, 30)), id="half")
MISSED = score(bars(), [], bars((0, 10)), id="missed")
SILENT = score(bars(), [], bars(), id="silent")
ALARM = score(bars((0, 10), (20, 30)), [0.9, 0.8], bars(), id="alarm")


def test_perfect_answers_score_one() -> None:
    assert entry(RIGHT, SILENT) == {"cgf1": 1.0, "pm_f1": 1.0, "il_mcc": 1.0}


def test_without_a_negative_record_the_gate_is_undefined() -> None:
    assert entry(RIGHT, HALF) == {"cgf1": None, "pm_f1": pytest.approx(6 / 8), "il_mcc": None}
    assert entry(MISSED, SILENT) == {"cgf1": 0.0, "pm_f1": 0.0, "il_mcc": 0.0}  # always silent: worth nothing
    counts = [one.concept for one in (RIGHT, HALF)]
    assert concept_score(counts, released=True).il_mcc == 0.0  # type: ignore[union-attr]


def test_without_a_positive_record_nothing_can_be_said() -> None:
    assert entry(SILENT, ALARM) == {"cgf1": None, "pm_f1": None, "il_mcc": None}


def test_a_mixed_table_by_hand() -> None:
    # Instances on positives: 3 right of 4 said, 5 asked: F1 = 2*3/(4+5). False alarms change the gate only.
    # Gate: TP 2 (right, half), FN 1 (missed), TN 1, FP 1: (2*1 - 1*1) / sqrt(3*3*2*2).
    found = entry(RIGHT, HALF, MISSED, SILENT, ALARM)
    assert found["pm_f1"] == pytest.approx(6 / 9)
    assert found["il_mcc"] == pytest.approx(1 / 6)
    assert found["cgf1"] == pytest.approx(6 / 9 / 6)


def test_a_poor_mask_counts_at_low_thresholds_only() -> None:
    poor = score(bars((0, 6)), [0.9], bars((0, 10)), id="poor")  # IoU .6: right at .50, .55, .60
    assert entry(poor, SILENT)["cgf1"] == pytest.approx(0.3)


def test_the_released_numbers_are_a_little_lower() -> None:
    counts = [one.concept for one in (RIGHT, HALF, MISSED, SILENT, ALARM)]
    released = concept_score(counts, released=True)
    assert released is not None
    precision, recall = 3 / (4 + 1e-4), 3 / (5 + 1e-4)
    f1 = 2 * precision * recall / (precision + recall + 1e-4)
    assert released.cgf1 is not None
    assert released.cgf1[0] == pytest.approx(f1 * 1 / (6 + 1e-6), abs=1e-12)
    assert concept_score([one.concept for one in (MISSED, SILENT)], released=True).cgf1.tolist() == [0.0] * 10  # type: ignore[union-attr]


def test_the_best_of_several_annotators_counts() -> None:
    first, second = bars((0, 10), (20, 30)), bars((0, 10))
    alone = score(bars((0, 10)), [0.9], first)
    assert (alone.concept.targets, alone.concept.mean_f1) == (2, pytest.approx(2 / 3))
    best = score(bars((0, 10)), [0.9], first, alternatives=[second, bars()])
    assert (best.concept.targets, best.concept.mean_f1) == (1, 1.0)
    assert best.num_targets == 2  # every other score keeps to the first annotator
    silent = score(bars(), [], first, alternatives=[second, bars()])
    assert (silent.concept.targets, silent.concept.kept) == (0, 0)  # one annotator saw nothing either
    equal = score(bars((50, 60)), [0.9], first, alternatives=[bars()])
    assert equal.concept.targets == 2


def test_matthews_by_hand() -> None:
    assert matthews(5, 0, 5, 0) == 1.0
    assert matthews(0, 5, 0, 5) == -1.0
    assert matthews(3, 0, 0, 0) == 0.0
    assert matthews(2, 1, 1, 1) == pytest.approx(np.corrcoef([1, 1, 1, 0, 0], [1, 1, 0, 1, 0])[0, 1])
