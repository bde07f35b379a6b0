"""Candidates: proposed instructions with the numbers of the objects that they mean, and decisions about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

Kind = Literal[
    "category",
    "attribute",
    "relation",
    "order",
    "comparison",
    "knowledge",
    "counting",
    "several",
    "long",
    "absent",
    "near_miss",
]
"""Kinds of instructions. "several" asks for several groups, "long" has a distraction; "absent" and "near_miss" have no
target: nothing of the kind is there, or one word makes a true instruction false."""

KINDS: tuple[Kind, ...] = get_args(Kind)
NO_TARGET: tuple[Kind, ...] = ("absent", "near_miss")

State = Literal["accepted", "rejected", "review"]
"""`review`: the engine gave up after its last round, and a person decides."""


@dataclass(frozen=True)
class CandidatePhrase:
    """A target phrase and the numbers of its objects, from 1 and ascending; none for no target."""

    text: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """A proposed instruction.

    Attributes:
        id: unique within a run: the row's id, "#" and the number of the proposal.
        kind: one of `KINDS`.
        instruction: in words.
        phrases: at least one.
        round: 0 for a proposal, and one more with every revision.
    """

    id: str
    kind: Kind
    instruction: str
    phrases: tuple[CandidatePhrase, ...]
    round: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of all phrases, ascending, each once."""
        return tuple(sorted({number for phrase in self.phrases for number in phrase.numbers}))


@dataclass(frozen=True)
class Decision:
    """The decision about a candidate.

    Attributes:
        candidate: in its last wording.
        state: accepted, rejected or for review.
        reason: why it is not accepted; "" for an accepted one.
        votes: the agreement with each question, such as {"numbers": 0.67, "all": 1.0}.
        history: of every earlier round, {"instruction": ..., "reason": ...}.
    """

    candidate: Candidate
    state: State
    reason: str = ""
    votes: Mapping[str, float] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class RowOutcome:
    """All decisions about a row, in the order of the proposals."""

    row: str
    decisions: tuple[Decision, ...]


_CANDIDATE: TypeAdapter[Candidate] = TypeAdapter(Candidate)
_OUTCOME: TypeAdapter[RowOutcome] = TypeAdapter(RowOutcome)


def candidate_to_dict(candidate: Candidate) -> dict[str, Any]:
    """The JSON object of a candidate; `parse_candidate` reads it back."""
    found: dict[str, Any] = _CANDIDATE.dump_python(candidate, mode="json")
    return found


def parse_candidate(value: Mapping[str, Any]) -> Candidate:
    """A candidate that `candidate_to_dict` made."""
    return _CANDIDATE.validate_python(value)


def outcome_to_dict(outcome: RowOutcome) -> dict[str, Any]:
    """The JSON object of an outcome; `parse_outcome` reads it back."""
    found: dict[str, Any] = _OUTCOME.dump_python(outcome, mode="json")
    return found


def parse_outcome(value: Mapping[str, Any]) -> RowOutcome:
    """An outcome that `outcome_to_dict` made."""
    return _OUTCOME.validate_python(value)
