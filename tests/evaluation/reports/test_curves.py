"""The numbers behind the plots."""

from __future__ import annotations

import numpy as np

from instructsam.evaluation.reports.curves import Curves
from tests.evaluation.cases import bars, score

SCORES = [
    score(bars((0, 10), (50, 60)), [0.95, 0.32], bars((0, 10)), id="a"),
    score(bars((0, 6), (20, 30)), [0.35, 1.0], bars((0, 10)), id="b", crowds=bars((20, 40))),
    score(bars(), [], bars(), id="c"),
]


def test_numbers_by_hand() -> None:
    curves = Curves.of(SCORES)
    assert np.flatnonzero(curves.right).tolist() == [7, 19]
    assert np.flatnonzero(curves.wrong).tolist() == [6]  # the one on a crowd is neither
    assert curves.iou.sum() == 3
    assert curves.iou[19] == 2
    assert curves.iou[0] == 1  # nothing that counts is above the threshold
    assert curves.precision50[0] == 1.0
    assert curves.precision75[51] == 0.0


def test_the_tables_say_the_same() -> None:
    curve, counts = Curves.of(SCORES).rows()
    assert curve[0] == ["recall", *(f"{n / 10:.1f}" for n in range(11))]
    assert curve[1][1] == "1.000"
    assert [row[0] for row in counts] == ["from", "right, by score", "wrong, by score", "by IoU"]
    assert counts[1][1:] == ["0", "0", "0", "1", "0", "0", "0", "0", "0", "1"]
    assert {len(row) for row in counts} == {11}
