"""COCO's rules, against COCO's own evaluator and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from instructsam.evaluation.metrics.matching import (
    IOU_THRESHOLDS,
    box_giou,
    in_ranges,
    is_exact_by_boxes,
    match_ranked,
)
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.scoring import score_instruction
from instructsam.evaluation.metrics.table import summarise
from tests.evaluation.cases import Case, Masks, bars, coco_ap, random_boxes, random_cases, score

NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")


def enlarged(cases: list[Case], factor: int) -> list[Case]:
    """The same boxes, each pixel `factor` wide and high, so that all of COCO's areas occur."""
    return [(grow(p, factor), s, grow(t, factor)) for p, s, t in cases]


def grow(masks: Masks, factor: int) -> Masks:
    return np.repeat(np.repeat(masks, factor, axis=1), factor, axis=2)


def ap_of(cases: list[Case], crowds: list[Masks]) -> list[float]:
    scored: list[InstructionScore] = [
        score_instruction(*case, id=f"{index:05d}", crowds=crowds[index]) for index, case in enumerate(cases)
    ]
    entry = summarise(scored)["overall"]
    return [-1.0 if entry[name] is None else entry[name] for name in NAMES]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools
@pytest.mark.parametrize("seed", range(8))
def test_area_ranges_and_crowds_equal_pycocotools(seed: int) -> None:
    cases = enlarged(random_cases(seed, 25), 1 + seed % 2 * 7)
    rng = np.random.default_rng(seed)
    size = cases[0][0].shape[1:]
    crowds = [grow(random_boxes(rng, int(rng.integers(0, 3))), size[0] // 24) for _ in cases]
    ours = ap_of(cases, crowds)
    assert 0 < ours[0] < 1
    np.testing.assert_allclose(ours, coco_ap(cases, crowds), rtol=0, atol=1e-9)


def test_an_iou_of_exactly_a_threshold_is_enough() -> None:
    nominal = np.array([50, 55, 60, 65, 70, 75, 80, 85, 90, 95]) / 100
    np.testing.assert_allclose(IOU_THRESHOLDS, nominal, rtol=0, atol=2e-16)
    assert (nominal >= IOU_THRESHOLDS).all()  # by arange, .70 would come out above .7
    for index, iou in enumerate(nominal):
        matches = match_ranked(np.array([[iou]]), np.zeros((1, 0)), np.array([7]), np.array([10]))
        assert matches.hits[0, :, 0].sum() == index + 1


def test_area_ranges_are_closed_on_both_sides() -> None:
    areas = np.array([1023, 1024, 1025, 9215, 9216, 9217])
    everything, small, medium, large = in_ranges(areas)
    assert everything.all()
    assert small.tolist() == [True, True, False, False, False, False]
    assert medium.tolist() == [False, True, True, True, True, False]
    assert large.tolist() == [False, False, False, False, True, True]


def test_a_prediction_on_a_crowd_counts_neither_way_for_ap() -> None:
    crowd = bars((50, 90))
    with_crowd = score(bars((50, 60), (0, 10)), [0.9, 0.8], bars((0, 10)), crowds=crowd)
    assert summarise([with_crowd])["overall"]["ap"] == pytest.approx(1.0)
    without = score(bars((50, 60), (0, 10)), [0.9, 0.8], bars((0, 10)))
    assert summarise([without])["overall"]["ap"] == pytest.approx(0.5)


def test_a_crowd_is_no_target_and_its_pixels_are_ignored_by_the_other_scores() -> None:
    # The first prediction lies in the crowd; the second reaches two pixels into it.
    result = score(bars((50, 60), (40, 52)), [0.9, 0.8], bars((40, 50)), crowds=bars((45, 90)))
    assert (result.num_targets, result.num_kept, result.exact) == (1, 1, True)
    assert (result.giou, result.set_giou, result.intersection, result.union) == (1.0, 1.0, 10, 10)
    assert (result.concept.kept, result.concept.targets) == (2, 1)  # cgF1 knows no crowd: it is false there


def test_two_predictions_may_share_a_crowd_but_not_a_target() -> None:
    iou = np.array([[0.9], [0.8]])
    matches = match_ranked(iou, np.zeros((2, 0)), np.array([9, 9]), np.array([10]))
    assert matches.hits[0, 0].tolist() == [True, False]
    cover = np.array([[0.9], [0.8]])
    matches = match_ranked(np.zeros((2, 0)), cover, np.array([9, 9]), np.zeros(0, dtype=np.int64))
    assert matches.ignored[0, 0].tolist() == [True, True]
    assert not matches.hits.any()


def test_a_target_that_counts_is_preferred_to_a_better_crowd() -> None:
    matches = match_ranked(np.array([[0.6]]), np.array([[1.0]]), np.array([9]), np.array([10]))
    assert matches.hits[0, :, 0].tolist() == [True] * 3 + [False] * 7
    assert matches.ignored[0, :, 0].tolist() == [False] * 3 + [True] * 7


def test_generalised_iou_by_hand() -> None:
    a = np.array([[0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 2, 2]], dtype=np.float32)
    b = np.array([[0, 0, 4, 4], [4, 0, 8, 4], [6, 6, 8, 8]], dtype=np.float32)
    assert np.diag(box_giou(a, b)).tolist() == [
        1.0,
        0.0,  # side by side: nothing shared, and the hull holds nothing else
        pytest.approx(-(64 - 8) / 64),
    ]
    assert box_giou(a[:0], b).shape == (0, 3)


def test_grec_takes_the_best_pair_first() -> None:
    assert is_exact_by_boxes(np.zeros((0, 0)))  # nothing meant, nothing said
    assert not is_exact_by_boxes(np.zeros((0, 1)))
    assert not is_exact_by_boxes(np.ones((2, 1)))  # a duplicate is one too many
    assert is_exact_by_boxes(np.array([[0.5, 0.9], [0.9, 0.6]]))
    # by the largest number of pairs both would be matched; GREC's evaluator takes .9 first and is left with .4
    assert not is_exact_by_boxes(np.array([[0.9, 0.6], [0.6, 0.4]]))
    assert not is_exact_by_boxes(np.array([[0.49]]))


def test_an_l_and_its_box_differ_by_masks_and_not_by_boxes() -> None:
    square = np.ones((1, 10, 10), dtype=np.bool_)
    corner = square.copy()
    corner[:, :8, 2:] = False  # an L: IoU of the masks .36, the boxes are the same
    result = score(corner, [0.9], square)
    assert (result.exact, result.exact_boxes) == (False, True)
    entry = summarise([result])["overall"]
    assert (entry["exact_set"], entry["exact_boxes"]) == (0.0, 1.0)
