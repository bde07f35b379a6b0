"""How sure a score is: percentile intervals from resampled pictures. Numpy only.

Instructions about one picture are no independent trials, so whole pictures are drawn, with all their instructions
(Efron and Tibshirani 1993, chapter 8). Every draw is decided by the seed and the ids alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.evaluation.matching import IOU_THRESHOLDS
from instructsam.evaluation.metrics import PRECISION_AT, ordered_scores
from instructsam.evaluation.precision import Ranking
from instructsam.evaluation.scores import InstructionScore

RESAMPLES = 1000
AP_RESAMPLES = 200  # each costs a pass over all predictions
_CHUNK = 1 << 24  # numbers in memory at once

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """95% of the resampled scores lie between `low` and `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Score of B minus score of A on the same instructions.

    Attributes:
        a, b, difference: scores on all instructions.
        interval: of the difference.
        better: share of the resamples in which B is better, equal counts half.
    """

    a: float
    b: float
    difference: float
    interval: Interval
    better: float


def bootstrap_intervals(
    scores: Iterable[InstructionScore], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Intervals of the scores that `summarise` gives; a score that some resample cannot count is left out of that one.

    AP is resampled at most 200 times. Scores without any value are not in the answer.
    """
    ordered = ordered_scores(scores)
    times = _draws(ordered, resamples, seed)
    return {name: _interval(found) for name, found in _resampled(ordered, times).items()}


def paired_differences(
    a: Iterable[InstructionScore], b: Iterable[InstructionScore], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Difference]:
    """Differences of two runs over the same instructions; both are resampled alike.

    Raises:
        InputError: the runs do not hold the same instructions.
    """
    first, second = ordered_scores(a), ordered_scores(b)
    if [score.id for score in first] != [score.id for score in second]:
        odd = sorted({score.id for score in first} ^ {score.id for score in second})
        raise InputError(
            f"both runs must answer the same instructions; {len(odd)} are in one only, such as {odd[0]!r}"
        )
    once = np.ones((1, len(first)), dtype=np.int64)
    times = _draws(first, resamples, seed)
    points = _resampled(first, once), _resampled(second, once)
    drawn = _resampled(first, times), _resampled(second, times)
    result = {}
    for name in points[0].keys() & points[1].keys():
        change = drawn[1][name] - drawn[0][name]
        change = change[np.isfinite(change)]
        low, high = float(points[0][name][0]), float(points[1][name][0])
        better = float(np.mean((change > 0) + 0.5 * (change == 0)))
        result[name] = Difference(low, high, high - low, _interval(change), better)
    return {name: result[name] for name in points[0] if name in result}


def _draws(scores: Sequence[InstructionScore], resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each instruction counts in each resample: int64 [B, n]; row sums differ when pictures do."""
    if resamples < 1:
        raise InputError(f"resamples must be at least 1, got {resamples}")
    names = [f"image {score.image}" if score.image else f"id {score.id}" for score in scores]
    groups, member = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
    generator = np.random.default_rng(seed)
    if not len(groups):
        return np.zeros((resamples, 0), dtype=np.int64)
    shares = np.full(len(groups), 1 / len(groups))
    return generator.multinomial(len(groups), shares, size=resamples)[:, member]


def _interval(values: Values) -> Interval:
    low, high = np.quantile(values[np.isfinite(values)], [0.025, 0.975])
    return Interval(float(low), float(high))


def _resampled(scores: Sequence[InstructionScore], times: NDArray[np.int64]) -> dict[str, Values]:
    """Each score in each resample, [B] or for AP [min(B, 200)]; NaN where nothing can be counted."""
    columns = _columns(scores)
    table = np.array(list(columns.values()), dtype=np.float64).reshape(len(columns), len(scores)).T
    step = max(1, _CHUNK // max(1, len(scores)))
    parts = [times[start : start + step] @ table for start in range(0, len(times), step)]
    sums = dict(zip(columns, np.concatenate(parts).T, strict=True))
    found = {name: _divide(sums[top], sums[bottom]) for name, (top, bottom) in _RATIOS.items()}
    found |= _concepts(sums)
    ranking = Ranking(scores)
    precisions = [ranking.coco("all", row) for row in times[:AP_RESAMPLES]]
    for name, pick in _PRECISIONS.items():
        found[name] = np.array([np.nan if one is None else pick(one) for one in precisions])
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


_RATIOS: dict[str, tuple[str, str]] = {
    "giou": ("giou", "one"),
    "ciou": ("intersection", "union"),
    "set_giou": ("set_giou", "one"),
    "set_ciou": ("set_intersection", "set_union"),
    **{f"pr{limit * 100:.0f}": (f"pr{limit * 100:.0f}", "positive") for limit in PRECISION_AT},
    "n_acc": ("silent", "negative"),
    "t_acc": ("said", "positive"),
    "exact_set": ("exact", "one"),
    "exact_boxes": ("exact_boxes", "one"),
    "duplicates_per_image": ("duplicates", "one"),
    "wrong_instance_share": ("wrong", "wrong_or_poor"),
}
_PRECISIONS: dict[str, Callable[[Values], float]] = {
    "ap": lambda values: float(values.mean()),
    "ap50": lambda values: float(values[0]),
    "ap75": lambda values: float(values[5]),
}


def _columns(scores: Sequence[InstructionScore]) -> dict[str, list[float]]:
    """One number per instruction for everything that is summed."""
    columns: dict[str, list[float]] = {
        "one": [1.0 for _ in scores],
        "giou": [s.giou for s in scores],
        "set_giou": [s.set_giou for s in scores],
        "intersection": [s.intersection for s in scores],
        "union": [s.union for s in scores],
        "set_intersection": [s.set_intersection for s in scores],
        "set_union": [s.set_union for s in scores],
        "positive": [s.num_targets > 0 for s in scores],
        "negative": [s.num_targets == 0 for s in scores],
        "said": [s.num_targets > 0 and s.num_kept > 0 for s in scores],
        "silent": [s.num_targets == 0 and s.num_kept == 0 for s in scores],
        "exact": [s.exact for s in scores],
        "exact_boxes": [s.exact_boxes for s in scores],
        "duplicates": [s.num_duplicates for s in scores],
        "wrong": [s.num_wrong for s in scores],
        "wrong_or_poor": [s.num_wrong + s.num_poor for s in scores],
        "concept_positive": [s.concept.targets > 0 for s in scores],
        "concept_said": [s.concept.targets > 0 and s.concept.kept > 0 for s in scores],
        "concept_alarm": [s.concept.targets == 0 and s.concept.kept > 0 for s in scores],
        "concept_size": [s.concept.targets + s.concept.kept if s.concept.targets else 0 for s in scores],
    }
    for limit in PRECISION_AT:
        columns[f"pr{limit * 100:.0f}"] = [s.num_targets > 0 and s.giou >= limit for s in scores]
    for index in range(len(IOU_THRESHOLDS)):
        columns[f"hits{index}"] = [int(s.concept.hits[index]) for s in scores]
    return columns


def _concepts(sums: dict[str, Values]) -> dict[str, Values]:
    """cgF1 and its factors, as `concept_score` defines them."""
    hits = np.mean([sums[f"hits{index}"] for index in range(len(IOU_THRESHOLDS))], axis=0)
    pm_f1 = _divide(2 * hits, sums["concept_size"])
    tp, fp = sums["concept_said"], sums["concept_alarm"]
    fn = sums["concept_positive"] - tp
    tn = sums["one"] - sums["concept_positive"] - fp
    size = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    mcc = np.where(size > 0, (tp * tn - fp * fn) / np.where(size > 0, size, 1.0), 0.0)
    mcc = np.where(np.isfinite(pm_f1), mcc, np.nan)
    return {"cgf1": pm_f1 * mcc, "pm_f1": pm_f1, "il_mcc": mcc}


def _divide(top: Values, bottom: Values) -> Values:
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
