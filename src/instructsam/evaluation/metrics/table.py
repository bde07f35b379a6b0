"""The table of scores of many instructions. Numpy and scipy only. Definitions and sources: docs/metrics.md.

Scores are added up in the order of the ids, so neither the order nor the number of shards changes a digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.evaluation.metrics.average_precision import Ranking
from instructsam.evaluation.metrics.concept_f1 import concept_score
from instructsam.evaluation.metrics.matching import AREA_RANGES, IOU_THRESHOLDS
from instructsam.evaluation.metrics.scores import MAX_DETECTIONS, InstructionScore, score_instruction

__all__ = [
    "IOU_THRESHOLDS",
    "LOWER_IS_BETTER",
    "MAX_DETECTIONS",
    "PRECISION_AT",
    "InstructionScore",
    "average_precision",
    "ordered_scores",
    "score_instruction",
    "summarise",
]

PRECISION_AT: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9)
LOWER_IS_BETTER: frozenset[str] = frozenset({"duplicates_per_image", "wrong_instance_share"})
"""Scores of `summarise` that fall as a model gets better; all others rise."""


def average_precision(scores: Sequence[InstructionScore]) -> NDArray[np.float64] | None:
    """COCO's AP at each IoU threshold over all ranked predictions, class-agnostic.

    Returns:
        float64 [T], None when there is no target at all.
    """
    return Ranking(ordered_scores(scores)).coco()


def ordered_scores(scores: Iterable[InstructionScore]) -> list[InstructionScore]:
    """By id.

    Raises:
        InputError: an id comes twice, which would count an instruction twice.
    """
    ordered = sorted(scores, key=lambda score: score.id)
    for before, after in pairwise(ordered):
        if before.id == after.id:
            raise InputError(f"every instruction must be scored once, got the id {before.id!r} twice")
    return ordered


def summarise(scores: Iterable[InstructionScore]) -> dict[str, Any]:
    """The table of scores: `overall`, `by_family`, `by_targets` ("0", "1", ">=2") and `by_size` of the targets.

    Each entry holds `instructions`, `unanswered`, `targets`, `giou`, `ciou`, `set_giou` (mean over instructions),
    `muse_giou` (ratio of sums over instructions), `set_ciou`, `pr50` ... `pr90` (share of the
    instructions with a target whose gIoU reaches .5 ... .9), `ap`, `ap50`, `ap75`, `ap_small`, `ap_medium`,
    `ap_large`, `ap_released`, `cgf1`, `pm_f1`, `il_mcc`, `n_acc` (share of no-target instructions without a kept
    prediction), `t_acc` (share of the others with at least one), `exact_set`, `exact_boxes` (the same on boxes, as GREC
    has it), `duplicates_per_image` (an image is one image-instruction pair), `wrong_instance_share` (wrong instances
    over wrong instances plus poor masks) and the
    counts in `errors`. Shares lie in [0, 1]; None stands where nothing can be counted (AP without targets, N-acc
    without no-target instructions). `by_size` puts an instruction where the mean area of its targets lies.

    Raises:
        InputError: an id comes twice, which would count an instruction twice.
    """
    ordered = ordered_scores(scores)
    families = sorted({score.family for score in ordered if score.family})
    return {
        "overall": _table_entry(ordered),
        "by_family": {name: _table_entry([s for s in ordered if s.family == name]) for name in families},
        "by_targets": _split(
            ordered,
            {
                "0": lambda score: score.num_targets == 0,
                "1": lambda score: score.num_targets == 1,
                ">=2": lambda score: score.num_targets >= 2,
            },
        ),
        "by_size": _split(ordered, {name: _has_size(name) for name in ("small", "medium", "large")}),
    }


def _has_size(name: str) -> Callable[[InstructionScore], bool]:
    """Unlike COCO's closed ranges these are a partition: (low, high], with "small" from nothing on."""
    low, high = AREA_RANGES[name]
    return lambda score: low < score.mean_target_area <= high


def _split(
    scores: Sequence[InstructionScore], groups: dict[str, Callable[[InstructionScore], bool]]
) -> dict[str, Any]:
    chosen = {name: [s for s in scores if belongs(s)] for name, belongs in groups.items()}
    return {name: _table_entry(group) for name, group in chosen.items() if group}


def _table_entry(scores: Sequence[InstructionScore]) -> dict[str, Any]:
    union, set_union = sum(s.union for s in scores), sum(s.set_union for s in scores)
    slots = sum(s.set_size for s in scores)
    wrong, poor = sum(s.num_wrong for s in scores), sum(s.num_poor for s in scores)
    duplicates = sum(s.num_duplicates for s in scores)
    with_target = [s for s in scores if s.num_targets]
    return {
        "instructions": len(scores),
        "unanswered": sum(s.unanswered for s in scores),
        "targets": sum(s.num_targets for s in scores),
        "giou": _mean([s.giou for s in scores]),
        "ciou": sum(s.intersection for s in scores) / union if union else None,
        "set_giou": _mean([s.set_giou for s in scores]),
        "muse_giou": math.fsum(s.matched_iou for s in scores) / slots if slots else None,
        "set_ciou": sum(s.set_intersection for s in scores) / set_union if set_union else None,
        **{f"pr{limit * 100:.0f}": _mean([s.giou >= limit for s in with_target]) for limit in PRECISION_AT},
        **_precisions(scores),
        **_concept(scores),
        "n_acc": _mean([s.silent for s in scores if s.num_targets == 0]),
        "t_acc": _mean([s.num_kept > 0 for s in with_target]),
        "exact_set": _mean([s.exact for s in scores]),
        "exact_boxes": _mean([s.exact_boxes for s in scores]),
        "duplicates_per_image": duplicates / len(scores) if scores else None,
        "wrong_instance_share": wrong / (wrong + poor) if wrong + poor else None,
        "errors": {
            "wrong_instance": wrong,
            "poor_mask": poor,
            "duplicate": duplicates,
            "missed": sum(s.num_missed for s in scores),
        },
    }


def _precisions(scores: Sequence[InstructionScore]) -> dict[str, float | None]:
    ranking = Ranking(scores)
    found = ranking.coco()
    entry: dict[str, float | None] = {
        "ap": _average(found),
        "ap50": None if found is None else float(found[0]),
        "ap75": None if found is None else float(found[5]),
    }
    for name in ("small", "medium", "large"):
        entry[f"ap_{name}"] = _average(ranking.coco(name))
    return {**entry, "ap_released": _average(ranking.released())}


def _concept(scores: Sequence[InstructionScore]) -> dict[str, float | None]:
    found = concept_score([score.concept for score in scores])
    if found is None:
        return {"cgf1": None, "pm_f1": None, "il_mcc": None}
    return {"cgf1": _average(found.cgf1), "pm_f1": _average(found.pm_f1), "il_mcc": found.il_mcc}


def _average(values: NDArray[np.float64] | None) -> float | None:
    return None if values is None else float(values.mean())


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
