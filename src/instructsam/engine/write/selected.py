"""Accepted candidates on their way into an export: after review, through filters and balance, to the writers.

Each step takes an iterable of `Selected` and returns one: in the order of the rows, those of one row side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from instructsam.data.record import InstanceRecord
from instructsam.engine.candidates import Candidate, Decision, RowOutcome
from instructsam.engine.rows import ImageRow

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

PeopleDecide: TypeAlias = Callable[[ImageRow, Decision], "Decision | None"]
"""A person's decision in place of the engine's; None where no person has decided."""


@dataclass(frozen=True)
class Selected:
    """An accepted candidate.

    Attributes:
        row: its image, with the objects that its numbers count.
        decision: that accepted it.
        by_person: whether a person accepted it, maybe with other numbers or words.
        split: that its image belongs to; the split of the images replaces the default.
    """

    row: ImageRow
    decision: Decision
    by_person: bool = False
    split: Split = "train"

    @property
    def candidate(self) -> Candidate:
        """The accepted candidate."""
        return self.decision.candidate

    def instances(self, numbers: tuple[int, ...]) -> tuple[InstanceRecord, ...]:
        """The objects of these numbers."""
        return tuple(self.row.instances[number - 1] for number in numbers)


def no_people(row: ImageRow, decision: Decision) -> Decision | None:
    """No person has decided anything."""
    return None


def select_accepted(
    row: ImageRow, outcome: RowOutcome, people: PeopleDecide = no_people
) -> Iterator[Selected]:
    """The accepted candidates of a row.

    Args:
        row: with the objects that the numbers of the decisions count.
        outcome: of this row.
        people: decisions of people, which go before those of the engine.
    """
    for decision in outcome.decisions:
        decided = people(row, decision)
        final = decision if decided is None else decided
        if final.state == "accepted":
            yield Selected(row, final, by_person=decided is not None)
