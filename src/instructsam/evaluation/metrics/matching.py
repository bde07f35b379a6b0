"""Matching of predictions and targets: COCO's greedy one, counts of a one-to-one one, by boxes. Numpy and scipy only.

Shapes: N ranked predictions (best score first), K of them kept, M targets, C crowd regions, A = 4 area ranges,
T = 10 IoU thresholds .50:.05:.95. Every function works on the IoU matrix, none on masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.structures.matching import best_pairs

IOU_THRESHOLDS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
"""By linspace, as COCO's: with arange's rounding a threshold lies above its name, and an IoU of .7 is a miss."""

AREA_RANGES: dict[str, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""COCO's, in pixels, closed on both sides: a target of exactly 1,024 pixels is small and medium."""

_MATCH_IOU = 0.5
_TOUCH_IOU = 0.1  # below this, a prediction lies on something else: a wrong instance rather than a poor mask
_COCO_MAX_THRESHOLD = 1 - 1e-10  # COCO's highest threshold, so that rounding cannot fail a perfect mask


def in_ranges(areas: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which areas lie in which of COCO's ranges, both ends included: int64 [M] -> bool [A, M]."""
    limits = np.array(list(AREA_RANGES.values()))
    return np.asarray((areas >= limits[:, :1]) & (areas <= limits[:, 1:]))


@dataclass(frozen=True, eq=False)
class RankedMatches:
    """COCO's matching of one image.

    Attributes:
        hits: bool [A, T, N], the prediction has found a target that counts.
        ignored: bool [A, T, N], it counts neither as found nor as false: it lies on a crowd or on a target outside
            the area range, or it found nothing and is itself outside the range.
        targets: int64 [A], targets that count.
    """

    hits: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    targets: NDArray[np.int64]


def match_ranked(
    iou: NDArray[np.float64],
    crowd_cover: NDArray[np.float64],
    predicted_areas: NDArray[np.int64],
    target_areas: NDArray[np.int64],
) -> RankedMatches:
    """COCO's greedy matching for all area ranges and IoU thresholds at once.

    Each prediction, best score first, takes the free target that counts with the highest IoU, the last of equals;
    only if none is left, a target that does not count (out of range, or a crowd, which never runs out).

    Args:
        iou: [N, M], rows in descending order of score.
        crowd_cover: [N, C], share of each prediction that a crowd region covers, COCO's IoU with a crowd.
        predicted_areas, target_areas: px, [N] and [M].
    """
    count, targets = iou.shape
    counted = in_ranges(target_areas)
    ranges, thresholds = len(AREA_RANGES), len(IOU_THRESHOLDS)
    hits = np.zeros((ranges, thresholds, count), dtype=np.bool_)
    ignored = np.zeros_like(hits)
    values = np.concatenate([iou, crowd_cover], axis=1)
    free = np.ones((ranges, thresholds, values.shape[1]), dtype=np.bool_)
    counts = np.zeros((ranges, 1, values.shape[1]), dtype=np.bool_)
    counts[:, 0, :targets] = counted
    needed = np.minimum(IOU_THRESHOLDS, _COCO_MAX_THRESHOLD)
    for row in np.flatnonzero((values >= needed[0]).any(axis=1)):
        possible = free & (values[row] >= needed[:, None])
        first = possible & counts
        usable = np.where(first.any(axis=2, keepdims=True), first, possible)
        found = usable.any(axis=2)
        reach = np.where(usable, values[row], -1.0)
        choice = values.shape[1] - 1 - reach[:, :, ::-1].argmax(axis=2)
        hits[:, :, row] = (
            found & np.take_along_axis(np.broadcast_to(counts, free.shape), choice[..., None], 2)[..., 0]
        )
        ignored[:, :, row] = found & ~hits[:, :, row]
        a, t = np.nonzero(found & (choice < targets))
        free[a, t, choice[a, t]] = False
    outside = ~in_ranges(predicted_areas)[:, None, :]
    ignored |= outside & ~hits
    return RankedMatches(hits, ignored, counted.sum(axis=1))


def count_hits(iou: NDArray[np.float64]) -> NDArray[np.int64]:
    """True positives of a kept set at every threshold, of the matching with the largest IoU: [K, M] -> int64 [T]."""
    rows, columns = best_pairs(iou)
    return np.asarray((iou[rows, columns][:, None] >= IOU_THRESHOLDS).sum(axis=0), dtype=np.int64)


def count_errors(iou: NDArray[np.float64]) -> dict[str, int]:
    """Counts of matches and errors of a kept set; IoU [K, M] in descending order of score.

    The limit between a wrong instance and a poor mask is TIDE's (arXiv 2008.08115, section 2.2).
    """
    count, targets = iou.shape
    if iou.size == 0:
        nothing = {"num_matched": 0, "num_duplicates": 0, "num_poor": 0}
        return {**nothing, "num_wrong": count, "num_missed": targets}
    # The number of pairs comes first, their IoU second: one pair more always outweighs all IoUs together.
    worth = np.where(iou >= _MATCH_IOU, min(iou.shape) + iou, 0.0)
    rows, columns = best_pairs(worth)
    hits = worth[rows, columns] > 0
    best, choice = iou.max(axis=1), iou.argmax(axis=1)
    good_choices = choice[best >= _MATCH_IOU]
    return {
        "num_matched": int(hits.sum()),
        "num_duplicates": len(good_choices) - len(np.unique(good_choices)),
        "num_wrong": int((best < _TOUCH_IOU).sum()),
        "num_poor": int(((best >= _TOUCH_IOU) & (best < _MATCH_IOU)).sum()),
        "num_missed": int((iou.max(axis=0) < _TOUCH_IOU).sum()),
    }


def box_giou(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Generalised IoU (arXiv 1902.09630, algorithm 1) of every pair: boxes_xyxy [K, 4] and [M, 4] -> [K, M]."""
    a = np.asarray(first, dtype=np.float64)[:, None]
    b = np.asarray(second, dtype=np.float64)[None]
    inner = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    outer = np.maximum(a[..., 2:], b[..., 2:]) - np.minimum(a[..., :2], b[..., :2])
    shared, hull = inner.prod(axis=2), outer.prod(axis=2)
    union = (a[..., 2:] - a[..., :2]).prod(axis=2) + (b[..., 2:] - b[..., :2]).prod(axis=2) - shared
    return np.asarray(shared / union - (hull - union) / hull)


def is_exact_by_boxes(giou: NDArray[np.float64]) -> bool:
    """GREC's F1 = 1 (arXiv 2308.16182): the pair with the highest generalised IoU first, at 0.5; [K, M]."""
    if giou.shape[0] != giou.shape[1]:
        return False
    left = giou.copy()
    for _ in range(len(left)):
        row, column = np.unravel_index(left.argmax(), left.shape)
        if left[row, column] < _MATCH_IOU:
            return False
        left[row, :] = left[:, column] = -np.inf
    return True
