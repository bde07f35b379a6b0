"""Scores against plain loops over the definitions, written without a look at the code that is tested."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from instructsam.evaluation.metrics.concept_f1 import concept_score
from instructsam.evaluation.metrics.scoring import score_instruction
from instructsam.evaluation.metrics.table import summarise
from tests.evaluation.cases import Case, Masks, random_boxes, random_cases

CUT = 0.5
THRESHOLDS = [0.5 + 0.05 * n for n in range(10)]


def iou(a: Masks, b: Masks) -> float:
    return float((a & b).sum() / (a | b).sum())


def pairs(kept: Masks, targets: Masks) -> list[tuple[int, int]]:
    """The one-to-one pairs with the largest sum of IoU, of all that there are."""
    few, many = (kept, targets) if len(kept) <= len(targets) else (targets, kept)
    orders = permutations(range(len(many)), len(few))
    best = max(orders, key=lambda order: sum(iou(few[i], many[j]) for i, j in enumerate(order)))
    return [(i, j) if len(kept) <= len(targets) else (j, i) for i, j in enumerate(best)]


def kept_of(case: Case) -> Masks:
    order = np.argsort(-case[1], kind="stable")
    return case[0][order][case[1][order] >= CUT]


@pytest.mark.parametrize("seed", range(4))
def test_union_and_set_scores(seed: int) -> None:
    cases = random_cases(seed, 20, 7)
    ours = summarise([score_instruction(*c, CUT, id=f"{n:03d}") for n, c in enumerate(cases)])["overall"]
    gious, set_gious, shared, covered, said, right = [], [], 0, 0, [], []
    for case in cases:
        kept, targets = kept_of(case), case[2]
        first, second = kept.any(axis=0), targets.any(axis=0)
        shared, covered = shared + (first & second).sum(), covered + (first | second).sum()
        both_empty = not len(kept) and not len(targets)
        gious.append(1.0 if both_empty else iou(first, second))
        found = [iou(kept[i], targets[j]) for i, j in pairs(kept, targets)]
        set_gious.append(1.0 if both_empty else sum(found) / max(len(kept), len(targets)))
        (said if len(targets) else right).append(len(kept) > 0)
    assert ours["giou"] == pytest.approx(np.mean(gious), abs=1e-12)
    assert ours["ciou"] == pytest.approx(shared / covered, abs=1e-12)
    assert ours["set_giou"] == pytest.approx(np.mean(set_gious), abs=1e-12)
    assert ours["t_acc"] == pytest.approx(np.mean(said), abs=1e-12)
    assert ours["n_acc"] == pytest.approx(1 - np.mean(right), abs=1e-12)
    with_target = [value for value, case in zip(gious, cases, strict=True) if len(case[2])]
    for percent in (50, 60, 70, 80, 90):
        share = np.mean([value >= percent / 100 for value in with_target])
        assert ours[f"pr{percent}"] == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_cgf1_with_two_annotators_and_the_released_small_numbers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cases = random_cases(seed, 16, 6)
    others = [random_boxes(rng, int(rng.integers(0, 3))) for _ in cases]
    tp, fp, fn = np.zeros(10), np.zeros(10), np.zeros(10)
    gate = np.zeros((2, 2))
    for case, other in zip(cases, others, strict=True):
        kept = kept_of(case)
        best = None
        for targets in (case[2], other):
            found = [iou(kept[i], targets[j]) for i, j in pairs(kept, targets)]
            hits = np.array([sum(value >= t - 1e-12 for value in found) for t in THRESHOLDS])
            both = len(kept) + len(targets)
            f1 = np.mean(2 * hits / both) if both else 1.0
            if best is None or f1 > best[0]:
                best = f1, hits, len(targets)
        assert best is not None
        gate[int(best[2] > 0), int(len(kept) > 0)] += 1
        if best[2]:
            tp, fp, fn = tp + best[1], fp + len(kept) - best[1], fn + best[2] - best[1]
    precision, recall = tp / (tp + fp + 1e-4), tp / (tp + fn + 1e-4)
    f1 = 2 * precision * recall / (precision + recall + 1e-4)
    (tn, alarms), (silent, found_) = gate
    root = np.sqrt((found_ + alarms) * (found_ + silent) * (tn + alarms) * (tn + silent)) + 1e-6
    counts = [
        score_instruction(*case, CUT, alternatives=[other]).concept
        for case, other in zip(cases, others, strict=True)
    ]
    released = concept_score(counts, released=True)
    assert released is not None
    np.testing.assert_allclose(released.cgf1, f1 * (found_ * tn - alarms * silent) / root, rtol=0, atol=1e-9)
    exact = concept_score(counts)
    assert exact is not None
    np.testing.assert_allclose(exact.cgf1, released.cgf1, rtol=0, atol=2e-3)
