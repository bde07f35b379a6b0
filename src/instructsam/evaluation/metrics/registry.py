"""All metrics. A new one is one entry here, or one call of `register`; tables, intervals, JSON and docs follow.

P is the union of the kept masks, G the union of the target masks; p_i and g_j are single masks. Choices where sources
differ: docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from instructsam.errors import InputError
from instructsam.evaluation.metrics.concept_f1 import cgf1, il_mcc, pm_f1
from instructsam.evaluation.metrics.metric import Metric, Reduction, mean, ratio, share
from instructsam.evaluation.metrics.score_set import ScoreSet, Values
from instructsam.evaluation.metrics.scores import InstructionScore

PRECISION_AT: tuple[int, ...] = (50, 60, 70, 80, 90)

_GRES = "GRES, arXiv 2306.00968"
_MUSE = "MUSE (PixelLM, arXiv 2312.02228)"
_GREC = "GREC, arXiv 2308.16182"
_SACO = "SA-Co (SAM 3, arXiv 2511.16719)"
_COCO = "COCO"
_SILENCE = "1 if nothing is kept, else 0"
_ADDS = "false positives count; silence adds nothing"


def _has_targets(score: InstructionScore) -> bool:
    return score.num_targets > 0


def _has_no_targets(score: InstructionScore) -> bool:
    return score.num_targets == 0


def _reaches(limit: float) -> Callable[[InstructionScore], bool]:
    return lambda score: score.giou >= limit


def _average_precision(scores: ScoreSet, area: str = "all") -> Values:
    return np.asarray(scores.precision(area).mean(axis=1))


def _precision_at(index: int) -> Reduction:
    return lambda scores: scores.precision()[:, index]


_UNIONS = (
    Metric(
        "giou",
        "gIoU",
        mean(lambda score: score.giou),
        "mean over instructions of |P ∩ G| / |P ∪ G|",
        _SILENCE,
        f"{_GRES}; LISA, arXiv 2308.00692",
        column="headline",
    ),
    Metric(
        "ciou",
        "cIoU",
        ratio(lambda score: score.intersection, lambda score: score.union),
        "Σ |P ∩ G| / Σ |P ∪ G|",
        "a false alarm adds its pixels to the union; silence adds nothing",
        _GRES,
        column="table",
    ),
)
_SETS = (
    Metric(
        "set_giou",
        "set gIoU",
        mean(lambda score: score.set_giou),
        "mean over instructions of Σ IoU(p_i, g_m(i)) / max(kept, targets), m the one-to-one matching with the "
        "largest sum",
        _SILENCE,
        f"matched IoU of {_MUSE}, averaged per instruction as gIoU is",
        column="headline",
    ),
    Metric(
        "muse_giou",
        "MUSE gIoU",
        ratio(lambda score: score.matched_iou, lambda score: score.set_size),
        "Σ over instructions of Σ IoU(p_i, g_m(i)) / Σ over instructions of max(kept, targets): a ratio of sums",
        "a false alarm adds to the denominator; silence adds nothing",
        _MUSE,
    ),
    Metric(
        "set_ciou",
        "set cIoU",
        ratio(lambda score: score.set_intersection, lambda score: score.set_union),
        "Σ of shared pixels of matched pairs / (Σ of their unions + all pixels of unmatched masks)",
        "as cIoU",
        _MUSE,
    ),
)
_PRECISIONS_AT = tuple(
    Metric(
        f"pr{percent}",
        f"Pr@0.{percent // 10}",
        share(_reaches(percent / 100), _has_targets),
        f"share of the instructions with a target whose IoU of P and G is at least .{percent}",
        "not counted",
        f"{_GRES}; RefCOCO's papers",
    )
    for percent in PRECISION_AT
)
_AVERAGE_PRECISIONS = (
    Metric(
        "ap",
        "AP",
        _average_precision,
        "average precision of all ranked predictions, mean over IoU .50:.05:.95",
        _ADDS,
        _COCO,
        column="table",
    ),
    Metric("ap50", "AP50", _precision_at(0), "AP at IoU .50", _ADDS, _COCO, column="table"),
    Metric("ap75", "AP75", _precision_at(5), "AP at IoU .75", _ADDS, _COCO, column="table"),
    *(
        Metric(
            f"ap_{area}",
            f"AP {area}",
            partial(_average_precision, area=area),
            f"AP of the {area} targets: {pixels} pixels",
            _ADDS,
            _COCO,
            interval=False,
        )
        for area, pixels in (
            ("small", "at most 1,024"),
            ("medium", "1,024 to 9,216"),
            ("large", "at least 9,216"),
        )
    ),
    Metric(
        "ap_released",
        "AP as released",
        lambda scores: scores.released_precision().mean(axis=1),
        "AP of the predictions with a score above .3, area under the whole precision envelope",
        _ADDS,
        "the released research code; only to compare with published numbers",
        interval=False,
    ),
)
_CONCEPTS = (
    Metric("cgf1", "cgF1", cgf1, "mean over IoU .50:.05:.95 of pmF1 · IL_MCC", "see IL_MCC", _SACO),
    Metric(
        "pm_f1",
        "pmF1",
        pm_f1,
        "2 TP / (kept + targets), summed over the records with a target, mean over IoU .50:.05:.95",
        "not counted",
        _SACO,
    ),
    Metric(
        "il_mcc",
        "IL_MCC",
        il_mcc,
        "Matthews' correlation of “something is kept” with “there is a target”",
        "a true negative if nothing is kept, else a false positive; undefined if there are none",
        _SACO,
    ),
)
_ANSWERS = (
    Metric(
        "n_acc",
        "N-acc",
        share(lambda score: score.silent, _has_no_targets),
        "share of the instructions without a target for which nothing is kept",
        "only these count; undefined if there are none",
        _GRES,
        column="headline",
    ),
    Metric(
        "t_acc",
        "T-acc",
        share(lambda score: score.num_kept > 0, _has_targets),
        "share of the instructions with a target for which something is kept",
        "not counted",
        _GRES,
        column="table",
    ),
    Metric(
        "exact_set",
        "exact",
        mean(lambda score: score.exact),
        "share of the instructions with F1 = 1: every target matched at IoU .5, nothing else kept",
        _SILENCE,
        f"{_GREC}, with masks for boxes",
        column="table",
    ),
    Metric(
        "exact_boxes",
        "exact by boxes",
        mean(lambda score: score.exact_boxes),
        "share of the instructions with F1 = 1 on the boxes of the masks: pairs in descending order of generalised "
        "IoU, at .5",
        "as exact",
        f"{_GREC}: Pr@(F1=1, IoU≥0.5), as its evaluator counts it",
    ),
    Metric(
        "duplicates_per_image",
        "dup/img",
        mean(lambda score: score.num_duplicates),
        "kept predictions whose best target (IoU ≥ .5) is also that of a prediction with a higher score, per "
        "instruction",
        "no duplicates",
        "ours",
        lower_is_better=True,
        column="table",
    ),
    Metric(
        "wrong_instance_share",
        "wrong inst.",
        ratio(lambda score: score.num_wrong, lambda score: score.num_wrong + score.num_poor),
        "wrong instances / (wrong instances + poor masks): best IoU below .1 / from .1 to below .5",
        "every kept prediction is wrong",
        "limits of TIDE, arXiv 2008.08115, section 2.2",
        lower_is_better=True,
        column="table",
    ),
)

METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (*_UNIONS, *_SETS, *_PRECISIONS_AT, *_AVERAGE_PRECISIONS, *_CONCEPTS, *_ANSWERS)
}
"""All metrics by key, in the order of the tables."""


def register(metric: Metric) -> None:
    """Add a metric to every table, interval, comparison and JSON report.

    Raises:
        InputError: its key is taken.
    """
    if metric.key in METRICS:
        title = METRICS[metric.key].title
        raise InputError(f"a metric must have a key of its own, got {metric.key!r}, the key of {title}")
    METRICS[metric.key] = metric


def table_metrics() -> list[Metric]:
    """The columns of the main table."""
    return [metric for metric in METRICS.values() if metric.column != "details"]


def headline_metrics() -> list[Metric]:
    """The metrics that also the smallest tables print."""
    return [metric for metric in METRICS.values() if metric.column == "headline"]
