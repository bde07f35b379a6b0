"""Counts of an audit: right and wrong candidates before and after the engine, with intervals over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from instructsam.engine.audit.truth import truth_of
from instructsam.engine.candidates import Candidate, RowOutcome
from instructsam.engine.rows import ImageRow
from instructsam.engine.tasks import Part

RESAMPLES = 1000


@dataclass(frozen=True)
class RowCounts:
    """Counts of one image, or their sum.

    Attributes:
        proposals: candidates as proposed.
        right: of them, without mistake.
        accepted: records.
        accepted_right: of them, without mistake.
        kept: of `right`, those whose record is accepted and right.
        revised: of `accepted`, those that were revised.
        revised_right: of them, without mistake.
        review: candidates for people.
        calls: questions; repetitions after broken replies count as tokens alone.
        input_tokens, output_tokens: of these calls.
    """

    proposals: int = 0
    right: int = 0
    accepted: int = 0
    accepted_right: int = 0
    kept: int = 0
    revised: int = 0
    revised_right: int = 0
    review: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


COUNTS: tuple[str, ...] = tuple(field.name for field in fields(RowCounts))


def count_row(
    row: ImageRow, proposals: Sequence[Candidate], outcome: RowOutcome, used: Sequence[Part]
) -> RowCounts:
    """The counts of one image.

    Args:
        row: of `truth.world_rows`.
        proposals: as proposed, in the order of the decisions.
        outcome: of the engine.
        used: parts of the questions that led to it.
    """
    truth = truth_of(row)
    was_right = {proposal.id: truth.mistake(proposal) == "" for proposal in proposals}
    accepted = [decision.candidate for decision in outcome.decisions if decision.state == "accepted"]
    is_right = {candidate.id: truth.mistake(candidate) == "" for candidate in accepted}
    revised = [candidate for candidate in accepted if candidate.round > 0]
    return RowCounts(
        proposals=len(proposals),
        right=sum(was_right.values()),
        accepted=len(accepted),
        accepted_right=sum(is_right.values()),
        kept=sum(right and was_right[name] for name, right in is_right.items()),
        revised=len(revised),
        revised_right=sum(is_right[candidate.id] for candidate in revised),
        review=sum(decision.state == "review" for decision in outcome.decisions),
        calls=len(used),
        input_tokens=sum(part.usage.input_tokens for part in used),
        output_tokens=sum(part.usage.output_tokens for part in used),
    )


def sum_counts(rows: Sequence[RowCounts]) -> RowCounts:
    """The sum of the counts of several rows."""
    return RowCounts(*(sum(getattr(row, name) for row in rows) for name in COUNTS))


@dataclass(frozen=True)
class Share:
    """A ratio of two counts over all images; None where its denominator is 0."""

    value: float | None
    low: float | None = None
    high: float | None = None


class CountTable:
    """Counts of many images.

    Args:
        rows: one or several runs over images.
        seed: of the bootstrap.
    """

    def __init__(self, rows: Sequence[RowCounts], seed: int = 0) -> None:
        numbers = [[getattr(row, name) for name in COUNTS] for row in rows]
        self.values: NDArray[np.int64] = np.array(numbers, dtype=np.int64).reshape(-1, len(COUNTS))
        self.total = RowCounts(*(int(total) for total in self.values.sum(axis=0)))
        self.seed = seed

    def ratio(self, above: str, below: str) -> Share:
        """A ratio of two counts with its 95% interval; images are resampled whole (bootstrap)."""
        columns = self.values[:, [COUNTS.index(above), COUNTS.index(below)]].astype(np.float64)
        top, bottom = columns.sum(axis=0)
        if not bottom:
            return Share(None)
        count = len(columns)
        draws = np.random.default_rng(self.seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
        drawn = draws @ columns
        drawn = drawn[drawn[:, 1] > 0]
        low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
        return Share(float(top / bottom), float(low), float(high))
