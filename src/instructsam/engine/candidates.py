"""Candidates: proposed instructions with the numbers of the objects that they mean, and decisions about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from instructsam.data.record import InstanceRecord
from instructsam.engine.rows import ImageRow

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

PERSON = "person"
"""A person's vote in `Decision.votes` (1.0 for accepted, 0.0 for rejected), and the code of a person's reasons."""

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
        reason: why it is not accepted, as "code: text" (see `reasons`); "" for an accepted one.
        votes: of the last round: the results of its checks, such as {"votes": 3, "agreement": 0.67}; see
            docs/engine_verify.md.
        named: of the last round: the share of votes that name each number, for the numbers that are claimed or named.
        questions: tasks that were spent on the candidate in all rounds.
        history: of every earlier round, {"instruction": ..., "numbers": [...], "reason": ...}.
    """

    candidate: Candidate
    state: State
    reason: str = ""
    votes: Mapping[str, float] = field(default_factory=dict)
    named: Mapping[int, float] = field(default_factory=dict)
    questions: int = 0
    history: tuple[Mapping[str, Any], ...] = ()

    @property
    def code(self) -> str:
        """The countable part of the reason."""
        return self.reason.partition(":")[0]


@dataclass(frozen=True)
class RowOutcome:
    """All decisions about a row, in the order of the proposals.

    Attributes:
        row: id of the row.
        decisions: none for a row that is skipped.
        detected: the objects that a detector found, which the numbers of the decisions then count.
        dropped: number of proposals that could not become candidates, by fault.
        skipped: why the row has no decisions, as "code: text"; "" for a row that has been processed.
    """

    row: str
    decisions: tuple[Decision, ...]
    detected: tuple[InstanceRecord, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    skipped: str = ""

    def with_objects(self, row: ImageRow) -> ImageRow:
        """The row with the objects that the numbers of the decisions count."""
        return replace(row, instances=self.detected) if self.detected else row


_CANDIDATE: TypeAdapter[Candidate] = TypeAdapter(Candidate)
_OUTCOME: TypeAdapter[RowOutcome] = TypeAdapter(RowOutcome)
_INSTANCES: TypeAdapter[tuple[InstanceRecord, ...]] = TypeAdapter(tuple[InstanceRecord, ...])


def candidate_to_dict(candidate: Candidate) -> dict[str, Any]:
    """The JSON object of a candidate; `parse_candidate` reads it back."""
    found: dict[str, Any] = _CANDIDATE.dump_python(candidate, mode="json")
    return found


def parse_candidate(value: Mapping[str, Any]) -> Candidate:
    """A candidate that `candidate_to_dict` made."""
    return _CANDIDATE.validate_python(value)


def outcome_to_dict(outcome: RowOutcome) -> dict[str, Any]:
    """The JSON object of an outcome; `parse_outcome` reads it back."""
    found: dict[str, Any] = _OUTCOME.dump_python(outcome, mode="json", exclude_none=True)
    return found


def parse_outcome(value: Mapping[str, Any]) -> RowOutcome:
    """An outcome that `outcome_to_dict` made."""
    return _OUTCOME.validate_python(value)


def instances_to_list(instances: Sequence[InstanceRecord]) -> list[dict[str, Any]]:
    """The JSON objects of instances; `parse_instances` reads them back."""
    found: list[dict[str, Any]] = _INSTANCES.dump_python(tuple(instances), mode="json", exclude_none=True)
    return found


def parse_instances(values: Sequence[Mapping[str, Any]]) -> tuple[InstanceRecord, ...]:
    """Instances that `instances_to_list` made."""
    return _INSTANCES.validate_python(values)
