"""The numbers behind the plots of a report: precision over recall, and histograms. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructsam.evaluation.metrics.average_precision import precision_points
from instructsam.evaluation.metrics.scores import InstructionScore

BINS = 20


@dataclass(frozen=True, eq=False)
class Curves:
    """The data of the plots.

    Attributes:
        precision50, precision75: float64 [101], best precision at recall 0, .01, ... 1, at IoU .50 and .75; None
            without targets.
        right, wrong: int64 [20], ranked predictions by score, in bins of .05: right or not at IoU .50.
        iou: int64 [20], instructions by the IoU of the unions, in bins of .05.
    """

    precision50: NDArray[np.float64] | None
    precision75: NDArray[np.float64] | None
    right: NDArray[np.int64]
    wrong: NDArray[np.int64]
    iou: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Sequence[InstructionScore]) -> Curves:
        """Numbers for all plots. Scores outside [0, 1] count in the outermost bins."""
        values = np.concatenate([np.zeros(0), *(score.ranked_scores for score in scores)])
        flags = [np.zeros(0, dtype=np.bool_)]
        hits = np.concatenate([*flags, *(score.ranked.hits[0, 0] for score in scores)])
        ignored = np.concatenate([*flags, *(score.ranked.ignored[0, 0] for score in scores)])
        return cls(
            precision_points(scores, 0),
            precision_points(scores, 5),
            _bins(values[hits]),
            _bins(values[~hits & ~ignored]),
            _bins(np.array([score.giou for score in scores], dtype=np.float64)),
        )

    def rows(self) -> list[list[list[str]]]:
        """The same as two small tables, for Markdown."""
        steps = range(0, 101, 10)
        curve = [["recall", *(f"{step / 100:.1f}" for step in steps)]]
        for name, points in (("precision at IoU .50", self.precision50), ("at IoU .75", self.precision75)):
            curve.append([name, *("-" if points is None else f"{points[step]:.3f}" for step in steps)])
        starts = [f"{2 * n / BINS:.1f}" for n in range(BINS // 2)]
        bars = [["from", *starts]]
        counts = (("right, by score", self.right), ("wrong, by score", self.wrong), ("by IoU", self.iou))
        bars += [[name, *(str(n) for n in found.reshape(-1, 2).sum(axis=1))] for name, found in counts]
        return [curve, bars]


def _bins(values: NDArray[np.float64]) -> NDArray[np.int64]:
    places = np.clip(np.floor(values * BINS), 0, BINS - 1).astype(np.int64)
    return np.bincount(places, minlength=BINS).astype(np.int64)
