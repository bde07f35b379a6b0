"""Accepted candidates on their way into an export: after review, through filters and balance, to the writers.

Each step takes an iterable of `Selected` and returns one: in the order of the rows, those of one row side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from instructsam.engine.candidates import PERSON, Candidate, Decision, RowOutcome
from instructsam.engine.rows import ImageRow

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Selected:
    """An accepted candidate.

    Attributes:
        row: its image, with the objects that its numbers count.
        decision: that accepted it.
        split: that its image belongs to; the split of the images replaces the default.
    """

    row: ImageRow
    decision: Decision
    split: Split = "train"

    @property
    def candidate(self) -> Candidate:
        """The accepted candidate."""
        return self.decision.candidate

    @property
    def by_person(self) -> bool:
        """Whether a person accepted it, maybe with other numbers or words."""
        return PERSON in self.decision.votes


def select_accepted(finished: Iterable[tuple[ImageRow, RowOutcome]]) -> Iterator[Selected]:
    """The accepted candidates of finished rows.

    Args:
        finished: rows with the objects that the numbers of the decisions count (`iter_finished`), after the decisions
            of people (`review.apply.apply_to_all`).
    """
    for row, outcome in finished:
        for decision in outcome.decisions:
            if decision.state == "accepted":
                yield Selected(row, decision)
