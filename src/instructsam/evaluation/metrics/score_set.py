"""Totals over the scores of many instructions, or over bootstrap resamples of them. Numpy only.

Shapes: n instructions, B resamples (1 for the scores as they are), T = 10 IoU thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructsam.evaluation.metrics.average_precision import Ranking
from instructsam.evaluation.metrics.matching import IOU_THRESHOLDS
from instructsam.evaluation.metrics.scores import InstructionScore

Values: TypeAlias = NDArray[np.float64]
Term: TypeAlias = Callable[[InstructionScore], float]
"""One number of one instruction, which is summed over instructions."""


class ScoreSet:
    """The scores that a metric is computed from.

    Sums are exact (`math.fsum`), so the order of the instructions changes no digit.

    Args:
        scores: in the order of their ids.
    """

    def __init__(self, scores: Sequence[InstructionScore]) -> None:
        self.scores = scores
        self._columns: dict[Term, Values] = {}
        self._precision: dict[str, Values] = {}

    def total(self, term: Term) -> Values:
        """Sum of a term: float64 [B]."""
        return np.array([math.fsum(self.column(term).tolist())])

    def precision(self, area: str = "all") -> Values:
        """COCO's AP at each IoU threshold: float64 [B, T], NaN without a target of that area."""
        if area not in self._precision:
            self._precision[area] = self._compute_precision(area)
        return self._precision[area]

    def released_precision(self) -> Values:
        """`Ranking.released` of the scores as they are: float64 [1, T], NaN without a target."""
        return _rows([self.ranking.released()])

    def resample(self, times: NDArray[np.int64], max_precision: int) -> ScoreSet:
        """The same scores, counted several times each.

        Terms that were summed before are summed in one matrix product, which is faster than one by one.

        Args:
            times: int64 [B, n], how often each instruction counts.
            max_precision: `precision` is computed for this many resamples only.
        """
        return _Resampled(self, times, max_precision)

    def column(self, term: Term) -> Values:
        """The term of each instruction: float64 [n]."""
        if term not in self._columns:
            self._columns[term] = np.array([term(score) for score in self.scores], dtype=np.float64)
        return self._columns[term]

    @cached_property
    def ranking(self) -> Ranking:
        """All ranked predictions in one list."""
        return Ranking(self.scores)

    def _compute_precision(self, area: str) -> Values:
        return _rows([self.ranking.coco(area)])


class _Resampled(ScoreSet):
    def __init__(self, source: ScoreSet, times: NDArray[np.int64], max_precision: int) -> None:
        super().__init__(source.scores)
        self._columns, self.ranking, self._times = source._columns, source.ranking, times[:max_precision]
        columns = np.array(list(self._columns.values())).reshape(len(self._columns), len(self.scores))
        self._all_times = times
        self._totals: dict[Term, Values] = dict(zip(self._columns, (times @ columns.T).T, strict=True))

    def total(self, term: Term) -> Values:
        if term not in self._totals:
            self._totals[term] = np.asarray(self._all_times @ self.column(term))
        return self._totals[term]

    def _compute_precision(self, area: str) -> Values:
        return _rows([self.ranking.coco(area, times) for times in self._times])


def _rows(found: Sequence[Values | None]) -> Values:
    undefined = np.full(len(IOU_THRESHOLDS), np.nan)
    rows = [undefined if values is None else values for values in found]
    return np.array(rows, dtype=np.float64).reshape(-1, len(IOU_THRESHOLDS))


def divide(top: Values, bottom: Values) -> Values:
    """The quotient, NaN where `bottom` is 0."""
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
