"""Scores one instruction: masks in, numbers out. Numpy, scipy and pycocotools.

All work is done on run-length codes, so stored predictions are scored without decoding a mask. The rules without
targets, for crowds, ignored regions and several annotators: docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.evaluation.metrics.matching import (
    box_giou,
    count_errors,
    count_hits,
    is_exact_by_boxes,
    match_ranked,
)
from instructsam.evaluation.metrics.scores import ConceptCounts, InstructionScore
from instructsam.structures.checks import check_fraction
from instructsam.structures.matching import best_pairs, matched_iou, set_giou
from instructsam.structures.rle_masks import RleMasks

MAX_DETECTIONS = 100

Masks: TypeAlias = NDArray[np.bool_] | RleMasks
"""N masks of one size: bool [N, H, W], or run-length encoded."""


def score_instruction(
    predicted_masks: Masks,
    scores: NDArray[np.floating[Any]],
    target_masks: Masks,
    score_threshold: float = 0.5,
    *,
    id: str = "",
    family: str = "",
    image: str = "",
    ignore: NDArray[np.bool_] | None = None,
    crowds: Masks | None = None,
    alternatives: Sequence[Masks] = (),
) -> InstructionScore:
    """Scores one instruction.

    Args:
        predicted_masks: N masks, ALL ranked predictions, not only those above the threshold.
        scores: float [N].
        target_masks: M masks, none of them empty.
        score_threshold: predictions with score >= this are kept for every score but AP.
        id: unique name of the (image, instruction) pair.
        family: instruction family.
        image: name of the image.
        ignore: bool [H, W], pixels that no score counts. A mask that lies wholly there is left out.
        crowds: C masks, COCO's crowd regions: no targets; for AP a prediction on one counts neither way, for
            cgF1 it is false, for every other score their pixels outside the targets are ignored.
        alternatives: other annotators' targets, M' masks each; only cgF1 uses them.

    Raises:
        InputError: dtypes or shapes do not fit, a score is not finite, or a target mask is empty.
    """
    check_fraction(score_threshold, "score_threshold")
    predicted, targets = _encoded(predicted_masks), _encoded(target_masks)
    others = [_encoded(masks) for masks in alternatives]
    predicted, ranked = _ranked(predicted, scores, (targets, *others), id)
    if ignore is not None:
        region = _region_to_judge(ignore, predicted.size, id)
        predicted, ranked = _without_ignored(predicted, ranked, region)
        targets, *others = (_without_ignored(masks, None, region)[0] for masks in (targets, *others))
    pairs = _Pairs.of(predicted, targets)
    kept = int(np.count_nonzero(ranked >= score_threshold))
    crowd_masks = RleMasks.none(predicted.size) if crowds is None else _encoded(crowds)
    shown = _outside_crowds(predicted.head(kept), targets, crowd_masks)
    shown_pairs = _Pairs.of(shown, targets) if len(crowd_masks) else pairs.head(kept)
    top = pairs.head(MAX_DETECTIONS)
    cover = _cover(predicted.head(MAX_DETECTIONS), crowd_masks)
    return InstructionScore(
        id=id,
        family=family,
        image=image,
        num_targets=len(targets),
        mean_target_area=float(pairs.second_areas.mean()) if len(targets) else 0.0,
        num_kept=len(shown),
        **_union_pixels(shown, targets),
        **shown_pairs.set_scores(),
        exact_boxes=is_exact_by_boxes(box_giou(shown.boxes_xyxy(), targets.boxes_xyxy())),
        concept=_best_concept(pairs.iou[:kept], [_Pairs.of(predicted.head(kept), m).iou for m in others]),
        ranked_scores=ranked[:MAX_DETECTIONS],
        ranked=match_ranked(top.iou, cover, top.first_areas, top.second_areas),
    )


def score_unanswered(score: InstructionScore) -> InstructionScore:
    """The score of a record that the model could not answer, from that of an empty answer (docs/metrics.md).

    With targets it is unchanged. Without, every share counts it as wrong.
    """
    concept = score.concept if score.concept.targets else ConceptCounts(0, 1, score.concept.hits)
    return replace(score, unanswered=1, set_giou=0.0, exact_boxes=False, concept=concept)


def _encoded(masks: Masks) -> RleMasks:
    return masks if isinstance(masks, RleMasks) else RleMasks.encode(masks)


def _ranked(
    predicted: RleMasks, scores: NDArray[np.floating[Any]], annotations: Sequence[RleMasks], id: str
) -> tuple[RleMasks, NDArray[np.float64]]:
    """Masks and scores, best first, after a check of all input."""
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (len(predicted),) or not np.isfinite(values).all():
        raise InputError(f"scores must be {len(predicted)} finite numbers, got shape {values.shape}")
    for masks in annotations:
        if len(masks) and masks.areas().min() == 0:
            raise InputError(
                f"target masks must not be empty: leave the instance out of the record (id {id!r})"
            )
    order = np.argsort(-values, kind="stable")
    return predicted.select(order), values[order]


def _region_to_judge(ignore: NDArray[np.bool_], size: tuple[int, int], id: str) -> RleMasks:
    if ignore.shape != size or ignore.dtype != np.bool_:
        raise InputError(
            f"the ignored region of {id!r} must be bool {size}, got {ignore.dtype} {ignore.shape}"
        )
    return RleMasks.encode(~ignore[None])


def _outside_crowds(masks: RleMasks, targets: RleMasks, crowds: RleMasks) -> RleMasks:
    """The masks inside the pixels of a target or of no crowd; those with none left are left out."""
    if not len(crowds):
        return masks
    free, covered = crowds.union().inverted(), targets.union()
    region = RleMasks((*free.codes, *covered.codes), crowds.size).union()
    return _without_ignored(masks, None, region)[0]


def _without_ignored(
    masks: RleMasks, scores: NDArray[np.float64] | None, region: RleMasks
) -> tuple[RleMasks, NDArray[np.float64]]:
    """The masks inside a region; those that had pixels and have none left are left out, with their scores."""
    scores = np.zeros(len(masks)) if scores is None else scores
    rest = masks.inside(region)
    stays = np.flatnonzero((rest.areas() > 0) | (masks.areas() == 0))
    return rest.select(stays), scores[stays]


def _union_pixels(predicted: RleMasks, targets: RleMasks) -> dict[str, int]:
    """Pixels that the unions of both share and cover together."""
    first, second = predicted.union(), targets.union()
    both = int(first.intersection(second)[0, 0])
    return {"intersection": both, "union": int(first.areas()[0] + second.areas()[0]) - both}


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pixels of every pair: shared int64 [N, M], areas [N] and [M], IoU float64 [N, M]."""

    shared: NDArray[np.int64]
    first_areas: NDArray[np.int64]
    second_areas: NDArray[np.int64]
    iou: NDArray[np.float64]

    @classmethod
    def of(cls, first: RleMasks, second: RleMasks) -> _Pairs:
        """`second` holds targets, which are never empty, so no union is."""
        shared = first.intersection(second)
        a, b = first.areas(), second.areas()
        return cls(shared, a, b, shared / (a[:, None] + b[None, :] - shared))

    def head(self, count: int) -> _Pairs:
        """Of the first `count` masks."""
        return _Pairs(self.shared[:count], self.first_areas[:count], self.second_areas, self.iou[:count])

    def set_scores(self) -> dict[str, Any]:
        """The fields of `InstructionScore` that compare two sets of masks.

        Pixels are summed over the pairs of the best matching and, for the union, over all unmatched masks.
        """
        rows, columns = best_pairs(self.iou)
        shared = int(self.shared[rows, columns].sum())
        every = int(self.first_areas.sum() + self.second_areas.sum())
        return {
            "set_giou": set_giou(self.iou),
            "matched_iou": matched_iou(self.iou),
            "set_size": max(self.iou.shape),
            "set_intersection": shared,
            "set_union": every - shared,
            **count_errors(self.iou),
        }


def _cover(predicted: RleMasks, crowds: RleMasks) -> NDArray[np.float64]:
    """Share of each prediction inside each crowd region: [N, C]."""
    return predicted.intersection(crowds) / np.maximum(predicted.areas(), 1)[:, None]


def _best_concept(iou: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> ConceptCounts:
    """Counts against the annotation with the highest mean F1, the first of equals."""
    counts = [ConceptCounts(table.shape[1], len(table), count_hits(table)) for table in (iou, *others)]
    return max(counts, key=lambda item: item.mean_f1)
