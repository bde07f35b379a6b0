"""Bootstrap: percentile intervals of metrics, and paired differences of two runs. Numpy only.

Instructions about one image are not independent, so whole images are resampled, with all their instructions
(Efron and Tibshirani 1993, chapter 8). Every draw is decided by the seed and the ids alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.evaluation.metrics.registry import METRICS
from instructsam.evaluation.metrics.score_set import ScoreSet, Values
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.table import ordered_scores
from instructsam.structures.checks import check_count

RESAMPLES = 1000
AP_RESAMPLES = 200  # each costs a pass over all predictions
MAX_RESAMPLES = 1_000_000
_CHUNK = 1 << 23  # numbers in memory at once


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
    drawn = _resampled(ScoreSet(ordered), _draws(ordered, resamples, seed))
    found = {key: _interval(values) for key, values in drawn.items()}
    return {key: interval for key, interval in found.items() if interval is not None}


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
            f"both runs must answer the same instructions, got {len(odd)} that are in one only, such as {odd[0]!r}"
        )
    check_count(resamples, "resamples", 1, MAX_RESAMPLES)
    runs = ScoreSet(first), ScoreSet(second)
    drawn = tuple(_resampled(run, _draws(first, resamples, seed)) for run in runs)
    result = {}
    for key in drawn[0]:
        low, high = (METRICS[key].value(run) for run in runs)
        if low is None or high is None:
            continue
        change = drawn[1][key] - drawn[0][key]
        change = change[np.isfinite(change)]
        gain = -change if METRICS[key].lower_is_better else change
        better = float(np.mean((gain > 0) + 0.5 * (gain == 0))) if len(gain) else None
        result[key] = Difference(low, high, high - low, _interval(change), better)
    return result


def _draws(scores: Sequence[InstructionScore], resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each instruction counts in each resample, some at a time: int64 [b, n], b sums to `resamples`.

    Row sums differ where images have different numbers of instructions.
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


def _resampled(score_set: ScoreSet, draws: Iterable[NDArray[np.int64]]) -> dict[str, Values]:
    """Each metric in each resample, [B] or for AP [min(B, 200)]; NaN where it is undefined."""
    metrics = [metric for metric in METRICS.values() if metric.interval]
    for metric in metrics:
        metric.reduction(score_set)
    parts: dict[str, list[Values]] = {metric.key: [] for metric in metrics}
    done = 0
    for times in draws:
        drawn = score_set.resample(times, max(0, AP_RESAMPLES - done))
        for metric in metrics:
            parts[metric.key].append(metric.reduction(drawn))
        done += len(times)
    return {key: np.concatenate(values) for key, values in parts.items()}
