"""Average precision over all ranked predictions: COCO's, and the one of the released code. Numpy only.

Each (image, instruction) is one COCO image, and there is one category. Shapes: n instructions, D ranked
predictions of all of them, A = 4 area ranges, T = 10 IoU thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instructsam.evaluation.metrics.matching import AREA_RANGES, IOU_THRESHOLDS
from instructsam.evaluation.metrics.scores import InstructionScore

RELEASED_CUT = 0.3
_RECALL_POINTS = np.linspace(0.0, 1.0, 101)
_RANGES = {name: index for index, name in enumerate(AREA_RANGES)}


class Ranking:
    """The predictions of many instructions in one list, best score first.

    Among equal scores the order of the instructions given stays, as in COCO's evaluator.
    """

    def __init__(self, scores: Sequence[InstructionScore]) -> None:
        ranges, thresholds = len(AREA_RANGES), len(IOU_THRESHOLDS)
        confidence = np.concatenate([np.zeros(0), *(score.ranked_scores for score in scores)])
        order = np.argsort(-confidence, kind="stable")
        empty = np.zeros((ranges, thresholds, 0), dtype=np.bool_)
        counts = [len(score.ranked_scores) for score in scores]
        self.confidence = confidence[order]
        self.owner = np.repeat(np.arange(len(scores)), counts)[order]
        self.hits = np.concatenate([empty, *(s.ranked.hits for s in scores)], axis=2)[:, :, order]
        self.ignored = np.concatenate([empty, *(s.ranked.ignored for s in scores)], axis=2)[:, :, order]
        self.targets = np.array([score.ranked.targets for score in scores], dtype=np.int64).reshape(
            -1, ranges
        )

    def coco(self, name: str = "all", times: NDArray[np.int64] | None = None) -> NDArray[np.float64] | None:
        """COCO's AP: mean over 101 recall points of the best precision at that recall or a higher one.

        Args:
            name: area range.
            times: int64 [n], how often each instruction counts (for the bootstrap); None: once.

        Returns:
            float64 [T]; None when no target counts.
        """
        curve = self._curve(name, times)
        if curve is None:
            return None
        recall, envelope = curve
        result = np.zeros(len(IOU_THRESHOLDS))
        for index, (reached, best) in enumerate(zip(recall, envelope, strict=True)):
            result[index] = _at_recall_points(reached, best).sum() / len(_RECALL_POINTS)
        return result

    def released(self, cut: float = RELEASED_CUT) -> NDArray[np.float64] | None:
        """Area under the curve of the predictions with a score above `cut`; only to compare with published numbers.

        Precision is made monotone as for COCO's AP, and summed over every step of recall instead of 101 points.

        Returns:
            float64 [T]; None when there is no target.
        """
        curve = self._curve("all", None, int(np.count_nonzero(self.confidence > cut)))
        if curve is None:
            return None
        recall, envelope = curve
        steps = np.diff(recall, axis=1, prepend=0.0)
        return np.asarray((steps * envelope).sum(axis=1))

    def _curve(
        self, name: str, times: NDArray[np.int64] | None, stop: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Recall and the best precision at that recall or a higher one, [T, D] each."""
        index = _RANGES[name]
        weights = np.ones(len(self.targets), dtype=np.int64) if times is None else times
        total = int(self.targets[:, index] @ weights)
        if total == 0:
            return None
        weight = weights[self.owner[:stop]].astype(np.float64)
        found = self.hits[index, :, :stop]
        true = np.cumsum(found * weight, axis=1)
        judged = np.cumsum(~self.ignored[index, :, :stop] * weight, axis=1)
        precision = true / np.maximum(judged, 1.0)
        return true / total, np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]


def precision_points(scores: Sequence[InstructionScore], threshold: int = 0) -> NDArray[np.float64] | None:
    """The curve that AP averages, for a plot: float64 [101], precision at recall 0, .01, ... 1; None without targets.

    Args:
        threshold: index into the IoU thresholds; 0 is .50.
    """
    curve = Ranking(sorted(scores, key=lambda score: score.id))._curve("all", None)
    if curve is None:
        return None
    points = np.zeros(len(_RECALL_POINTS))
    found = _at_recall_points(curve[0][threshold], curve[1][threshold])
    points[: len(found)] = found
    return points


def _at_recall_points(reached: NDArray[np.float64], best: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best precision at each of the recall points that are reached: float64 [at most 101]."""
    places = np.searchsorted(reached, _RECALL_POINTS, side="left")
    return best[places[places < best.size]]
