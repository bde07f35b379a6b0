"""Average precision by hand, and what the released code calls AP."""

from __future__ import annotations

import numpy as np
import pytest

from instructsam.evaluation.metrics.average_precision import Ranking, precision_points
from instructsam.evaluation.metrics.table import summarise
from tests.evaluation.cases import bars, score

# Ranked: right, wrong, right (below the cut), and one target that nobody finds: recall 1/3 at precision 1, 2/3 at 2/3.
SCORE = score(bars((0, 10), (50, 60), (20, 30)), [0.9, 0.6, 0.2], bars((0, 10), (20, 30), (80, 90)), id="a")


def test_coco_averages_101_recall_points() -> None:
    # Recall 0 to .33 are 34 points, .34 to .66 are 33 points.
    assert Ranking([SCORE]).coco() == pytest.approx(np.full(10, (34 * 1 + 33 * 2 / 3) / 101))


def test_the_released_area_is_cut_and_has_no_fixed_points() -> None:
    ranking = Ranking([SCORE])
    assert ranking.released() == pytest.approx(np.full(10, 1 / 3))
    assert ranking.released(cut=0.1) == pytest.approx(np.full(10, 1 / 3 + 1 / 3 * 2 / 3))
    assert ranking.released(cut=0.2) == pytest.approx(np.full(10, 1 / 3))  # above the cut, not at it
    entry = summarise([SCORE])["overall"]
    assert entry["ap_released"] == pytest.approx(1 / 3)


def test_without_predictions_or_targets() -> None:
    nothing, missed = score(bars(), [], bars()), score(bars(), [], bars((0, 1)))
    assert Ranking([]).coco() is None
    assert Ranking([nothing]).released() is None
    assert Ranking([missed]).coco() == pytest.approx(np.zeros(10))
    assert Ranking([missed]).released() == pytest.approx(np.zeros(10))


def test_the_curve_for_a_plot() -> None:
    points = precision_points([SCORE])
    assert points is not None
    assert points[:34].tolist() == [1.0] * 34
    assert points[34:67] == pytest.approx(np.full(33, 2 / 3))
    assert not points[67:].any()
    assert precision_points([score(bars(), [], bars())]) is None


def test_an_instruction_counted_twice_weighs_twice() -> None:
    other = score(bars((0, 10)), [0.7], bars((0, 10)), id="b")
    copy = score(bars((0, 10)), [0.7], bars((0, 10)), id="c")
    twice = Ranking([SCORE, other]).coco(times=np.array([1, 2]))
    assert twice == pytest.approx(Ranking([SCORE, other, copy]).coco())
