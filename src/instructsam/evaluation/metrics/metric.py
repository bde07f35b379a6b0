"""The definition of a metric: name, direction, definition, and its reduction over the scores of instructions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from instructsam.evaluation.metrics.score_set import ScoreSet, Term, Values, divide

Reduction: TypeAlias = Callable[[ScoreSet], Values]
"""From scores to the metric: float64 [B], a value per resample, NaN where it is undefined."""

Column = Literal["headline", "table", "details"]
"""Where a metric is printed: in every table, in the main table of a report, or in its details only."""


@dataclass(frozen=True)
class Metric:
    """One metric. Everything that prints, compares or documents metrics reads it from here.

    Attributes:
        key: name in JSON.
        title: name in tables.
        reduction: computes the value; also called on resamples, for the interval.
        definition: one line for docs/metrics.md.
        without_targets: how an instruction without targets counts, for docs/metrics.md.
        source: paper, or "ours".
        lower_is_better: the metric falls as a model gets better.
        column: where it is printed; a headline metric is also in the main table, and every metric in the details.
        interval: whether bootstrap intervals and differences of runs are computed.
    """

    key: str
    title: str
    reduction: Reduction
    definition: str
    without_targets: str = ""
    source: str = ""
    lower_is_better: bool = False
    column: Column = "details"
    interval: bool = True

    @property
    def direction(self) -> str:
        """Which way is better, as a word."""
        return "lower" if self.lower_is_better else "higher"

    @property
    def heading(self) -> str:
        """The title with an arrow that shows which way is better."""
        return f"{self.title} {'↓' if self.lower_is_better else '↑'}"

    def value(self, scores: ScoreSet) -> float | None:
        """The metric of the scores as they are; None where it is undefined."""
        (found,) = self.reduction(scores)
        return None if math.isnan(found) else float(found)


def ratio(top: Term, bottom: Term) -> Reduction:
    """Sum of one term over the sum of another; undefined where the latter is 0."""
    return lambda scores: divide(scores.total(top), scores.total(bottom))


def mean(term: Term) -> Reduction:
    """Mean over all instructions."""
    return ratio(term, _one)


def share(term: Term, among: Term) -> Reduction:
    """Share of the instructions for which `among` holds that also have `term`."""
    return ratio(lambda score: bool(among(score)) and bool(term(score)), among)


def _one(_: object) -> float:
    return 1.0
