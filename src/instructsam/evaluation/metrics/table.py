"""The table of scores of many instructions. Numpy and scipy only. Definitions and sources: docs/metrics.md.

Scores are added up in the order of the ids, so neither the order nor the number of shards changes a digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from instructsam.errors import InputError
from instructsam.evaluation.metrics.matching import AREA_RANGES
from instructsam.evaluation.metrics.registry import METRICS
from instructsam.evaluation.metrics.score_set import ScoreSet
from instructsam.evaluation.metrics.scores import InstructionScore


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

    Each entry holds `instructions`, `unanswered`, `targets`, every metric of the registry by its key, and the counts
    in `errors`. Shares lie in [0, 1]; None stands where a metric is undefined (AP without targets, N-acc without
    no-target instructions). `by_size` puts an instruction where the mean area of its targets lies.

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
    score_set = ScoreSet(scores)
    return {
        "instructions": len(scores),
        "unanswered": sum(s.unanswered for s in scores),
        "targets": sum(s.num_targets for s in scores),
        **{key: metric.value(score_set) for key, metric in METRICS.items()},
        "errors": {
            "wrong_instance": sum(s.num_wrong for s in scores),
            "poor_mask": sum(s.num_poor for s in scores),
            "duplicate": sum(s.num_duplicates for s in scores),
            "missed": sum(s.num_missed for s in scores),
        },
    }
