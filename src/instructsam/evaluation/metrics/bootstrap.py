"""How sure a score is: percentile intervals from resampled pictures. Numpy only.

Instructions about one picture are no independent trials, so whole pictures are drawn, with all their instructions
(Efron and Tibshirani 1993, chapter 8). Every draw is decided by the seed and the ids alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.evaluation.metrics.average_precision import Ranking
from instructsam.evaluation.metrics.matching import IOU_THRESHOLDS
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.table import LOWER_IS_BETTER, PRECISION_AT, ordered_scores
from instructsam.structures.checks import check_count

RESAMPLES = 1000
AP_RESAMPLES = 200  # each costs a pass over all predictions
MAX_RESAMPLES = 1_000_000
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
        interval: of the difference; None where no resample can count the score in both runs.
        better: share of the resamples in which B is better (lower where lower is better), equal counts half; None as
            for the interval.
    """

    a: float
    b: float
    difference: float
    interval: Interval | None
    better: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.interval is not None and (self.interval.low > 0 or self.interval.high < 0)


def bootstrap_intervals(
    scores: Iterable[InstructionScore], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Intervals of the scores that `summarise` gives; a score that some resample cannot count is left out of that one.

    AP is resampled at most 200 times. Scores without any value are not in the answer.
    """
    ordered = ordered_scores(scores)
    check_count(resamples, "resamples", 1, MAX_RESAMPLES)
    drawn = _resampled(ordered, _draws(ordered, resamples, seed))
    found = {name: _interval(values) for name, values in drawn.items()}
    return {name: interval for name, interval in found.items() if interval is not None}


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
    check_count(resamples, "resamples", 1, MAX_RESAMPLES)
    once = [np.ones((1, len(first)), dtype=np.int64)]
    points = _resampled(first, once), _resampled(second, once)
    drawn = tuple(_resampled(run, _draws(first, resamples, seed)) for run in (first, second))
    result = {}
    for name in points[0].keys() & points[1].keys():
        if name not in drawn[0] or name not in drawn[1]:
            change = np.zeros(0)
        else:
            change = drawn[1][name] - drawn[0][name]
            change = change[np.isfinite(change)]
        low, high = float(points[0][name][0]), float(points[1][name][0])
        gain = -change if name in LOWER_IS_BETTER else change
        better = float(np.mean((gain > 0) + 0.5 * (gain == 0))) if len(gain) else None
        result[name] = Difference(low, high, high - low, _interval(change), better)
    return {name: result[name] for name in points[0] if name in result}


def _draws(scores: Sequence[InstructionScore], resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each instruction counts in each resample, some at a time: int64 [b, n], b sums to `resamples`.

    Row sums differ when pictures do.
    """
    names = [f"image {score.image}" if score.image else f"id {score.id}" for score in scores]
    place = {name: number for number, name in enumerate(sorted(set(names)))}
    member = np.array([place[name] for name in names], dtype=np.int64)
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(1, len(scores)))
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        if not place:
            yield np.zeros((count, 0), dtype=np.int64)
            continue
        shares = np.full(len(place), 1 / len(place))
        yield generator.multinomial(len(place), shares, size=count)[:, member]


def _interval(values: Values) -> Interval | None:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.quantile(finite, [0.025, 0.975])
    return Interval(float(low), float(high))


def _resampled(scores: Sequence[InstructionScore], draws: Iterable[NDArray[np.int64]]) -> dict[str, Values]:
    """Each score in each resample, [B] or for AP [min(B, 200)]; NaN where nothing can be counted."""
    columns = _columns(scores)
    table = np.array(list(columns.values()), dtype=np.float64).reshape(len(columns), len(scores)).T
    ranking = Ranking(scores)
    parts: list[Values] = []
    precisions: list[Values | None] = []
    for times in draws:
        parts.append(times @ table)
        precisions += [ranking.coco("all", row) for row in times[: AP_RESAMPLES - len(precisions)]]
    sums = dict(zip(columns, np.concatenate(parts).T, strict=True))
    found = {name: _divide(sums[top], sums[bottom]) for name, (top, bottom) in _RATIOS.items()}
    found |= _concepts(sums)
    for name, pick in _PRECISIONS.items():
        found[name] = np.array([np.nan if one is None else pick(one) for one in precisions])
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


_RATIOS: dict[str, tuple[str, str]] = {
    "giou": ("giou", "one"),
    "ciou": ("intersection", "union"),
    "set_giou": ("set_giou", "one"),
    "muse_giou": ("matched_iou", "set_size"),
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
        "matched_iou": [s.matched_iou for s in scores],
        "set_size": [s.set_size for s in scores],
        "intersection": [s.intersection for s in scores],
        "union": [s.union for s in scores],
        "set_intersection": [s.set_intersection for s in scores],
        "set_union": [s.set_union for s in scores],
        "positive": [s.num_targets > 0 for s in scores],
        "negative": [s.num_targets == 0 for s in scores],
        "said": [s.num_targets > 0 and s.num_kept > 0 for s in scores],
        "silent": [s.num_targets == 0 and s.silent for s in scores],
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
    mcc = np.where(np.isfinite(pm_f1) & (tn + fp > 0), mcc, np.nan)
    return {"cgf1": pm_f1 * mcc, "pm_f1": pm_f1, "il_mcc": mcc}


def _divide(top: Values, bottom: Values) -> Values:
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
