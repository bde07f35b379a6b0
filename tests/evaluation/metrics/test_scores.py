"""What one instruction contributes, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from instructsam.errors import InputError
from instructsam.evaluation.metrics.table import summarise
from tests.evaluation.cases import bars, score


def test_set_scores_by_hand() -> None:
    # Pairs: (0-10, 0-12) shares 10 of 12; (20-30, 25-30) shares 5 of 10; the third prediction has no partner.
    result = score(bars((0, 10), (20, 30), (60, 64)), [0.9, 0.8, 0.7], bars((0, 12), (25, 30)))
    assert result.set_giou == pytest.approx((10 / 12 + 5 / 10) / 3)
    assert (result.set_intersection, result.set_union) == (15, 12 + 10 + 4)
    entry = summarise([result])["overall"]
    assert entry["set_ciou"] == pytest.approx(15 / 26)


def test_cumulative_scores_weigh_by_pixels() -> None:
    small = score(bars((0, 5)), [0.9], bars((0, 10)), id="a")
    large = score(bars((0, 40)), [0.9], bars((0, 40)), id="b")
    alarm = score(bars((0, 10)), [0.9], bars(), id="c")
    entry = summarise([small, large, alarm])["overall"]
    assert entry["giou"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert entry["ciou"] == entry["set_ciou"] == pytest.approx(45 / 60)


def test_precision_at_counts_instructions_with_a_target() -> None:
    targets = bars((0, 10))
    found = [score(bars((0, stop)), [0.9], targets, id=str(stop)) for stop in (5, 6, 7, 8, 9, 10)]
    silent = score(bars(), [], bars(), id="none")
    missed = score(bars(), [], targets, id="missed")
    entry = summarise([*found, silent, missed])["overall"]
    assert [entry[f"pr{p}"] for p in (50, 60, 70, 80, 90)] == pytest.approx(
        [6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7]
    )
    assert summarise([silent])["overall"]["pr50"] is None


def test_ignored_pixels_are_neither_hit_nor_false() -> None:
    ignore = bars((10, 20))[0]
    result = score(bars((0, 20)), [0.9], bars((0, 10)), ignore=ignore)
    assert (result.intersection, result.union, result.giou) == (10, 10, 1.0)
    result = score(bars((0, 30)), [0.9], bars((0, 15)), ignore=ignore)
    assert (result.intersection, result.union, result.set_giou) == (10, 20, 0.5)


def test_what_lies_wholly_in_the_ignored_region_is_left_out() -> None:
    ignore = bars((10, 30))[0]
    result = score(bars((12, 20)), [0.9], bars(), ignore=ignore)
    assert (result.num_kept, result.giou, result.exact) == (0, 1.0, True)
    result = score(bars((12, 20)), [0.9], bars((15, 25), (0, 5)), ignore=ignore)
    assert (result.num_targets, result.giou) == (1, 0.0)
    empty = score(np.zeros((1, 1, 100), dtype=np.bool_), [0.9], bars(), ignore=ignore)
    assert empty.num_kept == 1  # it was empty before: still a false alarm


def test_an_ignored_region_of_another_size_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"ignored region of 'x' must be bool \(1, 100\), got bool \(1, 90\)"
    ):
        score(bars((0, 1)), [0.5], bars(), ignore=bars((0, 1), width=90)[0], id="x")


def test_results_by_size_of_the_targets() -> None:
    def wide(width: int) -> tuple[str, int]:
        mask = np.ones((1, 1, width), dtype=np.bool_)
        result = score(mask, [0.9], mask, id=str(width))
        return next(iter(summarise([result])["by_size"])), result.num_targets

    assert [wide(width)[0] for width in (1024, 1025, 9216, 9217)] == ["small", "medium", "medium", "large"]
    assert summarise([score(bars(), [], bars())])["by_size"] == {}


def test_two_ways_to_average_set_gious() -> None:
    # One target found whole beside nothing (1 of 1), and two of four targets found whole (2 of 4), one at IoU .5.
    targets = bars((0, 10), (20, 30), (40, 50), (60, 70))
    one = score(bars((0, 10)), [0.9], bars((0, 10)), id="a")
    four = score(bars((0, 10), (20, 25)), [0.9, 0.8], targets, id="b")
    assert (one.matched_iou, one.set_size) == (1.0, 1)
    assert (four.matched_iou, four.set_size) == (pytest.approx(1.5), 4)
    entry = summarise([one, four])["overall"]
    assert entry["set_giou"] == pytest.approx((1 / 1 + 1.5 / 4) / 2)  # the mean per instruction
    assert entry["muse_giou"] == pytest.approx((1 + 1.5) / (1 + 4))  # MUSE's ratio of sums
    # Three kept for one target: the larger count is that of the kept ones. Silence that is right adds nothing.
    three = score(bars((0, 10), (20, 25), (40, 44)), [0.9, 0.8, 0.7], bars((0, 10)), id="c")
    silent = score(bars(), [], bars(), id="d")
    assert summarise([one, three, silent])["overall"]["muse_giou"] == pytest.approx(2 / 4)
    assert summarise([silent])["overall"]["muse_giou"] is None
    alarm = score(bars((0, 10)), [0.9], bars(), id="e")
    assert summarise([one, alarm])["overall"]["muse_giou"] == pytest.approx(1 / 2)
