"""The effect of decisions of people: counts, problems, and the agreement with the engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from instructsam.engine.candidates import State
from instructsam.structures.safe_text import one_line
from instructsam.structures.tables import wilson

Verdict = Literal["accepted", "fixed", "rejected"]

MAX_PROBLEMS = 20  # that are kept in words; all are counted


@dataclass
class ReviewReport:
    """Counts of applied decisions; complete once all rows have passed.

    Attributes:
        verdicts: numbers of candidates by the engine's state and by the person's verdict.
        skipped: decisions that leave their candidate as it is.
        stale: the candidate or the objects of its image have changed since.
        invalid: a number does not exist, a mask does not fit, a phrase is empty.
        unknown: the run has no such candidate.
        older: imported decisions that were not kept, since the run has a later one.
        open: candidates for review without a decision.
        masks, added: corrected masks and new objects.
        problems: the first stale, invalid and unknown decisions, in words.
    """

    verdicts: Counter[tuple[State, Verdict]] = field(default_factory=Counter)
    skipped: int = 0
    stale: int = 0
    invalid: int = 0
    unknown: int = 0
    older: int = 0
    open: int = 0
    masks: int = 0
    added: int = 0
    problems: list[str] = field(default_factory=list)

    def count(self, verdict: Verdict) -> int:
        """Candidates with this verdict, whatever the engine decided."""
        return sum(number for (_, found), number in self.verdicts.items() if found == verdict)

    @property
    def applied(self) -> int:
        """Candidates that a person decided."""
        return sum(self.verdicts.values())

    def problem(self, text: str) -> None:
        """Keep one of the first problems in words."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(one_line(text))

    def agreement(self, state: State) -> Agreement | None:
        """How often people accepted, unchanged, what the engine decided so; None without such a decision."""
        checked = sum(number for (found, _), number in self.verdicts.items() if found == state)
        return Agreement(self.verdicts[state, "accepted"], checked) if checked else None

    def lines(self) -> list[str]:
        """The report for a terminal."""
        found = [
            f"decisions applied: {self.applied} ({self.count('accepted')} accepted unchanged, "
            f"{self.count('fixed')} fixed, {self.count('rejected')} rejected)",
            f"not applied: {self.skipped} skipped, {self.stale} stale, {self.invalid} invalid, "
            f"{self.unknown} of unknown candidates",
            f"still for review: {self.open}",
        ]
        if self.older:
            found.append(f"not imported: {self.older} older than the run's own")
        if self.masks or self.added:
            found.append(f"masks: {self.masks} corrected, {self.added} objects added")
        if (accepted := self.agreement("accepted")) is not None:
            found.append(f"precision of accepted: {accepted}")
        if (rejected := self.agreement("rejected")) is not None:
            found.append(f"wrongly rejected: {rejected}")
        return [*found, *self.problems]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        states: tuple[State, ...] = get_args(State)
        agreements = {state: self.agreement(state) for state in states}
        return {
            "applied": self.applied,
            **{verdict: self.count(verdict) for verdict in ("accepted", "fixed", "rejected")},
            "skipped": self.skipped,
            "stale": self.stale,
            "invalid": self.invalid,
            "unknown": self.unknown,
            "older": self.older,
            "open": self.open,
            "masks": self.masks,
            "added": self.added,
            "unchanged": {
                state: {"count": found.hits, "of": found.checked, "interval": list(found.interval)}
                for state, found in agreements.items()
                if found is not None
            },
            "problems": list(self.problems),
        }


@dataclass(frozen=True)
class Agreement:
    """A share of decisions, with its 95% Wilson interval."""

    hits: int
    checked: int

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share."""
        return wilson(self.hits, self.checked)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.hits / self.checked:.3f} ({self.hits} of {self.checked}, "
            f"95% interval {low:.3f} to {high:.3f})"
        )
