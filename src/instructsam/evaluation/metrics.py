"""Scores of predicted instance masks. Numpy and scipy only; numbers stay, masks go.

Each (image, instruction) is one unit and has an id of its own; the instances of all its phrases are pooled.
Scores are added up in the order of the ids, so neither the order nor the number of shards changes a digit.
Shapes: N ranked predictions, M targets, T = 10 IoU thresholds .50:.05:.95.

Sources: gIoU, cIoU, N-acc, T-acc: GRES (arXiv 2306.00968, section 3); AP: COCO's evaluation with 101 recall
points; the limit between a wrong instance and a poor mask: TIDE (arXiv 2008.08115, section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from instructsam.errors import InputError
from instructsam.structures.masks import mask_area, mask_iou

IOU_THRESHOLDS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
MAX_DETECTIONS = 100
_RECALL_POINTS = np.linspace(0.0, 1.0, 101)
_MATCH_IOU = 0.5
_TOUCH_IOU = 0.1  # below this, a prediction lies on something else: a wrong instance rather than a poor mask


@dataclass(frozen=True, eq=False)
class InstructionScore:
    """All that later sums need from one instruction.

    Attributes:
        id: unique name of the (image, instruction) pair.
        family: instruction family; empty when the benchmark has none.
        num_targets: M.
        num_kept: predictions at or above the score threshold.
        intersection, union: px, of the union of kept predictions and the union of targets.
        set_giou: matched IoU over max(kept, M).
        num_matched: kept predictions that are matched one to one at IoU 0.5.
        num_duplicates: kept predictions whose best target (IoU >= 0.5) a better-scored one has taken.
        num_wrong: kept predictions that touch no target (IoU < 0.1).
        num_poor: kept predictions whose best IoU lies in [0.1, 0.5).
        num_missed: targets that no kept prediction touches (IoU < 0.1).
        ranked_scores: float64 [min(N, 100)], descending.
        ranked_matches: bool [T, min(N, 100)], whether each ranked prediction is a true positive.
    """

    id: str
    family: str
    num_targets: int
    num_kept: int
    intersection: int
    union: int
    set_giou: float
    num_matched: int
    num_duplicates: int
    num_wrong: int
    num_poor: int
    num_missed: int
    ranked_scores: NDArray[np.float64]
    ranked_matches: NDArray[np.bool_]

    @property
    def giou(self) -> float:
        """IoU of the unions; both empty is 1, one empty is 0."""
        return self.intersection / self.union if self.union else 1.0

    @property
    def exact(self) -> bool:
        """Whether the kept set is exactly the target set (F1 = 1 at IoU 0.5)."""
        return self.num_matched == self.num_kept == self.num_targets


def score_instruction(
    predicted_masks: NDArray[np.bool_],
    scores: NDArray[np.floating[Any]],
    target_masks: NDArray[np.bool_],
    score_threshold: float = 0.5,
    *,
    id: str = "",
    family: str = "",
) -> InstructionScore:
    """Scores one instruction.

    Args:
        predicted_masks: bool [N, H, W], ALL ranked predictions, not only those above the threshold.
        scores: float [N].
        target_masks: bool [M, H, W], none of them empty.
        score_threshold: predictions with score >= this are kept for every score but AP.
        id: unique name of the (image, instruction) pair.
        family: instruction family.

    Raises:
        InputError: dtypes or shapes do not fit, a score is not finite, or a target mask is empty.
    """
    ranked = np.asarray(scores, dtype=np.float64)
    if ranked.shape != (len(predicted_masks),) or not np.isfinite(ranked).all():
        raise InputError(f"scores must be {len(predicted_masks)} finite numbers, got shape {ranked.shape}")
    iou = mask_iou(predicted_masks, target_masks)
    if len(target_masks) and mask_area(target_masks).min() == 0:
        raise InputError(f"target masks must not be empty: leave the instance out of the record (id {id!r})")
    order = np.argsort(-ranked, kind="stable")
    iou, ranked = iou[order], ranked[order]
    kept = int(np.count_nonzero(ranked >= score_threshold))
    predicted_union = np.any(predicted_masks[order[:kept]], axis=0)
    target_union = np.any(target_masks, axis=0)
    top = slice(0, MAX_DETECTIONS)
    return InstructionScore(
        id=id,
        family=family,
        num_targets=len(target_masks),
        num_kept=kept,
        intersection=int(np.count_nonzero(predicted_union & target_union)),
        union=int(np.count_nonzero(predicted_union | target_union)),
        set_giou=_set_giou(iou[:kept]),
        **_count_errors(iou[:kept]),
        ranked_scores=ranked[top],
        ranked_matches=_match_ranked(iou[top]),
    )


def _set_giou(iou: NDArray[np.float64]) -> float:
    """Sum of IoU of the best one-to-one matching over the larger count; [K, M] -> number. Both empty is 1."""
    if iou.size == 0:
        return 1.0 if iou.shape == (0, 0) else 0.0
    rows, columns = linear_sum_assignment(iou, maximize=True)
    return float(iou[rows, columns].sum() / max(iou.shape))


def _count_errors(iou: NDArray[np.float64]) -> dict[str, int]:
    """What is right and wrong about a kept set; IoU [K, M] in descending order of score."""
    count, targets = iou.shape
    if iou.size == 0:
        nothing = {"num_matched": 0, "num_duplicates": 0, "num_poor": 0}
        return {**nothing, "num_wrong": count, "num_missed": targets}
    # The number of pairs comes first, their IoU second: one pair more always outweighs all IoUs together.
    worth = np.where(iou >= _MATCH_IOU, min(iou.shape) + iou, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
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


def _match_ranked(iou: NDArray[np.float64]) -> NDArray[np.bool_]:
    """COCO's greedy matching, best score first, for all thresholds at once: [N, M] -> bool [T, N].

    Each prediction takes the free target with the highest IoU, the last of equals.
    """
    count, targets = iou.shape
    matches = np.zeros((len(IOU_THRESHOLDS), count), dtype=np.bool_)
    if iou.size == 0:
        return matches
    free = np.ones((len(IOU_THRESHOLDS), targets), dtype=np.bool_)
    every = np.arange(len(IOU_THRESHOLDS))
    for row in range(count):
        reach = np.where(free, iou[row], -1.0)
        choice = targets - 1 - reach[:, ::-1].argmax(axis=1)
        matches[:, row] = reach[every, choice] >= IOU_THRESHOLDS
        free[every[matches[:, row]], choice[matches[:, row]]] = False
    return matches


def average_precision(scores: Sequence[InstructionScore]) -> NDArray[np.float64] | None:
    """COCO's AP at each IoU threshold over all ranked predictions, class-agnostic.

    Returns:
        float64 [T], None when there is no target at all.
    """
    total = sum(score.num_targets for score in scores)
    if total == 0:
        return None
    ordered = sorted(scores, key=lambda score: score.id)
    confidence = np.concatenate([score.ranked_scores for score in ordered])
    order = np.argsort(-confidence, kind="stable")
    matches = np.concatenate([score.ranked_matches for score in ordered], axis=1)[:, order]
    hits = np.cumsum(matches, axis=1, dtype=np.float64)
    recall = hits / total
    precision = hits / np.arange(1, hits.shape[1] + 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    result = np.zeros(len(IOU_THRESHOLDS))
    for index in range(len(IOU_THRESHOLDS)):
        places = np.searchsorted(recall[index], _RECALL_POINTS, side="left")
        reached = places[places < hits.shape[1]]
        result[index] = envelope[index, reached].sum() / len(_RECALL_POINTS)
    return result


def summarise(scores: Iterable[InstructionScore]) -> dict[str, Any]:
    """The table of scores: `overall`, `by_family` and `by_targets` ("0", "1", ">=2").

    Each entry holds `instructions`, `targets`, `giou`, `ciou`, `set_giou`, `ap`, `ap50`, `ap75`, `n_acc`
    (share of no-target instructions without a kept prediction), `t_acc` (share of the others with at least
    one), `exact_set`, `duplicates_per_image` (an image is one image-instruction pair), `wrong_instance_share`
    (wrong instances over wrong instances plus poor masks) and the counts in `errors`. Shares lie in [0, 1];
    None stands where nothing can be counted (AP without targets, N-acc without no-target instructions).

    Raises:
        InputError: an id comes twice, which would count an instruction twice.
    """
    ordered = sorted(scores, key=lambda score: score.id)
    for before, after in pairwise(ordered):
        if before.id == after.id:
            raise InputError(f"every instruction must be scored once, got the id {before.id!r} twice")
    families = sorted({score.family for score in ordered if score.family})
    groups: dict[str, Callable[[InstructionScore], bool]] = {
        "0": lambda score: score.num_targets == 0,
        "1": lambda score: score.num_targets == 1,
        ">=2": lambda score: score.num_targets >= 2,
    }
    return {
        "overall": _table_entry(ordered),
        "by_family": {name: _table_entry([s for s in ordered if s.family == name]) for name in families},
        "by_targets": {
            name: _table_entry(group)
            for name, belongs in groups.items()
            if (group := [s for s in ordered if belongs(s)])
        },
    }


def _table_entry(scores: Sequence[InstructionScore]) -> dict[str, Any]:
    union = sum(s.union for s in scores)
    precision = average_precision(scores)
    wrong, poor = sum(s.num_wrong for s in scores), sum(s.num_poor for s in scores)
    duplicates = sum(s.num_duplicates for s in scores)
    return {
        "instructions": len(scores),
        "targets": sum(s.num_targets for s in scores),
        "giou": _mean([s.giou for s in scores]),
        "ciou": sum(s.intersection for s in scores) / union if union else None,
        "set_giou": _mean([s.set_giou for s in scores]),
        "ap": None if precision is None else float(precision.mean()),
        "ap50": None if precision is None else float(precision[0]),
        "ap75": None if precision is None else float(precision[5]),
        "n_acc": _mean([s.num_kept == 0 for s in scores if s.num_targets == 0]),
        "t_acc": _mean([s.num_kept > 0 for s in scores if s.num_targets > 0]),
        "exact_set": _mean([s.exact for s in scores]),
        "duplicates_per_image": duplicates / len(scores) if scores else None,
        "wrong_instance_share": wrong / (wrong + poor) if wrong + poor else None,
        "errors": {
            "wrong_instance": wrong,
            "poor_mask": poor,
            "duplicate": duplicates,
            "missed": sum(s.num_missed for s in scores),
        },
    }


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
