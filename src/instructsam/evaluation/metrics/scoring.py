"""Scores one instruction: masks in, numbers out. Numpy and scipy only.

The rules without targets, for crowds, ignored regions and several annotators: docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.evaluation.metrics.matching import (
    best_pairs,
    box_giou,
    count_errors,
    count_hits,
    is_exact_by_boxes,
    match_ranked,
    matched_iou,
    set_giou,
)
from instructsam.evaluation.metrics.scores import ConceptCounts, InstructionScore
from instructsam.structures.checks import check_fraction
from instructsam.structures.masks import mask_area, mask_boxes_xyxy, mask_intersection

MAX_DETECTIONS = 100
_TOP = slice(0, MAX_DETECTIONS)

Masks = NDArray[np.bool_]


def score_instruction(
    predicted_masks: Masks,
    scores: NDArray[np.floating[Any]],
    target_masks: Masks,
    score_threshold: float = 0.5,
    *,
    id: str = "",
    family: str = "",
    image: str = "",
    ignore: Masks | None = None,
    crowds: Masks | None = None,
    alternatives: Sequence[Masks] = (),
) -> InstructionScore:
    """Scores one instruction.

    Args:
        predicted_masks: bool [N, H, W], ALL ranked predictions, not only those above the threshold.
        scores: float [N].
        target_masks: bool [M, H, W], none of them empty.
        score_threshold: predictions with score >= this are kept for every score but AP.
        id, family, image: see `InstructionScore`.
        ignore: bool [H, W], pixels that no score looks at. A mask that lies wholly there is left out.
        crowds: bool [C, H, W], COCO's crowd regions: no targets; for AP a prediction on one counts neither way, for
            cgF1 it is false, for every other score their pixels outside the targets are ignored.
        alternatives: other annotators' targets, bool [M', H, W] each; only cgF1 looks at them.

    Raises:
        InputError: dtypes or shapes do not fit, a score is not finite, or a target mask is empty.
    """
    check_fraction(score_threshold, "score_threshold")
    predicted, ranked = _ranked(predicted_masks, scores, (target_masks, *alternatives), id)
    if ignore is not None:
        predicted, ranked = _without(predicted, ranked, ignore, id)
        target_masks = _without(target_masks, None, ignore, id)[0]
        alternatives = [_without(masks, None, ignore, id)[0] for masks in alternatives]
    pairs = _Pairs.of(predicted, target_masks)
    areas = pairs.first_areas[_TOP], pairs.second_areas
    kept = int(np.count_nonzero(ranked >= score_threshold))
    shown, shown_pairs = predicted[:kept], pairs.head(kept)
    if crowds is not None and len(crowds):
        shown = _without(shown, None, np.any(crowds, axis=0) & ~np.any(target_masks, axis=0), id)[0]
        shown_pairs = _Pairs.of(shown, target_masks)
    return InstructionScore(
        id=id,
        family=family,
        image=image,
        num_targets=len(target_masks),
        mean_target_area=float(pairs.second_areas.mean()) if len(target_masks) else 0.0,
        num_kept=len(shown),
        **_union_pixels(shown, target_masks),
        set_giou=set_giou(shown_pairs.iou),
        matched_iou=matched_iou(shown_pairs.iou),
        set_size=max(len(shown), len(target_masks)),
        **shown_pairs.set_pixels(),
        **count_errors(shown_pairs.iou),
        exact_boxes=is_exact_by_boxes(box_giou(mask_boxes_xyxy(shown), mask_boxes_xyxy(target_masks))),
        concept=_best_concept(pairs.iou[:kept], [_Pairs.of(predicted[:kept], m).iou for m in alternatives]),
        ranked_scores=ranked[_TOP],
        ranked=match_ranked(pairs.iou[_TOP], _cover(predicted[_TOP], crowds), *areas),
    )


def score_unanswered(score: InstructionScore) -> InstructionScore:
    """The score of an empty answer as that of a record that the model could not take (docs/metrics.md).

    With targets it stays what it is. Without, silence is not credited: every share counts it as wrong.
    """
    concept = score.concept if score.concept.targets else ConceptCounts(0, 1, score.concept.hits)
    return replace(score, unanswered=1, set_giou=0.0, exact_boxes=False, concept=concept)


def _ranked(
    predicted: Masks, scores: NDArray[np.floating[Any]], annotations: Sequence[Masks], id: str
) -> tuple[Masks, NDArray[np.float64]]:
    """Masks and scores, best first, after a look at everything that comes in."""
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (len(predicted),) or not np.isfinite(values).all():
        raise InputError(f"scores must be {len(predicted)} finite numbers, got shape {values.shape}")
    for masks in annotations:
        if len(masks) and mask_area(masks).min() == 0:
            raise InputError(
                f"target masks must not be empty: leave the instance out of the record (id {id!r})"
            )
    if not (np.diff(values) <= 0).all():  # what is ranked already is not copied
        order = np.argsort(-values, kind="stable")
        predicted, values = predicted[order], values[order]
    return predicted, values


def _union_pixels(predicted: Masks, targets: Masks) -> dict[str, int]:
    """Pixels that the unions of both share and cover together."""
    first, second = np.any(predicted, axis=0), np.any(targets, axis=0)
    both, either = np.count_nonzero(first & second), np.count_nonzero(first | second)
    return {"intersection": int(both), "union": int(either)}


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pixels of every pair: shared int64 [N, M], areas [N] and [M], IoU float64 [N, M]."""

    shared: NDArray[np.int64]
    first_areas: NDArray[np.int64]
    second_areas: NDArray[np.int64]
    iou: NDArray[np.float64]

    @classmethod
    def of(cls, first: Masks, second: Masks) -> _Pairs:
        """`second` holds targets, which are never empty, so no union is."""
        shared = mask_intersection(first, second)
        a, b = mask_area(first), mask_area(second)
        return cls(shared, a, b, shared / (a[:, None] + b[None, :] - shared))

    def head(self, count: int) -> _Pairs:
        return _Pairs(self.shared[:count], self.first_areas[:count], self.second_areas, self.iou[:count])

    def set_pixels(self) -> dict[str, int]:
        """Pixels, summed over the pairs of the best matching and, for the union, over what has no partner."""
        rows, columns = best_pairs(self.iou)
        shared = int(self.shared[rows, columns].sum())
        every = int(self.first_areas.sum() + self.second_areas.sum())
        return {"set_intersection": shared, "set_union": every - shared}


def _without(
    masks: Masks, scores: NDArray[np.float64] | None, pixels: Masks, id: str
) -> tuple[Masks, NDArray[np.float64]]:
    """The masks without these pixels; those that had pixels and have none left are left out, with their scores."""
    scores = np.zeros(len(masks)) if scores is None else scores
    if pixels.shape != masks.shape[1:] or pixels.dtype != np.bool_:
        raise InputError(
            f"the ignored region of {id!r} must be bool {masks.shape[1:]}, got {pixels.dtype} {pixels.shape}"
        )
    rest = masks & ~pixels
    stays = (mask_area(rest) > 0) | (mask_area(masks) == 0)
    return rest[stays], scores[stays]


def _cover(predicted: Masks, crowds: Masks | None) -> NDArray[np.float64]:
    """Share of each prediction inside each crowd region: [N, C]."""
    if crowds is None or not len(crowds):
        return np.zeros((len(predicted), 0))
    return mask_intersection(predicted, crowds) / np.maximum(mask_area(predicted), 1)[:, None]


def _best_concept(iou: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> ConceptCounts:
    """Counts against the annotation with the highest mean F1, the first of equals."""
    counts = [ConceptCounts(table.shape[1], len(table), count_hits(table)) for table in (iou, *others)]
    return max(counts, key=lambda one: one.mean_f1)
