"""Decisions of people, and the append-only file `decisions.jsonl` that holds them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, Strict, TypeAdapter, ValidationError, with_config

from instructsam.data.record_fields import Rle, Text, Word
from instructsam.engine.candidates import Candidate, CandidatePhrase, candidate_to_dict
from instructsam.engine.digests import digest
from instructsam.engine.rows import ImageRow
from instructsam.errors import InputError
from instructsam.structures.checks import parse_json
from instructsam.structures.files import end_of_last_line, reason, sync_file
from instructsam.structures.validation import Expected, first_fault

Action = Literal["accept", "reject", "skip"]
ACTIONS: tuple[Action, ...] = get_args(Action)

_forbid = with_config(ConfigDict(extra="forbid"))
_Number = Annotated[int, Strict(), Field(ge=1), Expected("the number of an object, from 1")]
_Index = Annotated[int, Strict(), Field(ge=0), Expected("the index of a phrase, from 0")]


@_forbid
@dataclass(frozen=True)
class ReviewedPhrase:
    """A phrase with the numbers of its objects, as a person left it."""

    text: Text
    numbers: Annotated[tuple[_Number, ...], Expected("a list of numbers")]


@_forbid
@dataclass(frozen=True)
class CorrectedMask:
    """A new mask (COCO run-length code) of the object with this number."""

    number: _Number
    rle: Rle


@_forbid
@dataclass(frozen=True)
class AddedObject:
    """An object that a person drew, for the phrases of these indices."""

    phrases: Annotated[tuple[_Index, ...], Field(min_length=1), Expected("a list of indices")]
    rle: Rle
    category: Word = ""


@_forbid
@dataclass(frozen=True)
class HumanDecision:
    """The decision of a person about a candidate.

    Attributes:
        candidate: its id.
        digest: `review_digest` of what the person saw; another one makes the decision stale.
        action: accept, with the changes below; reject; or skip, which leaves the candidate in the queue.
        instruction: its new wording; "" keeps it.
        phrases: all phrases after a change of any; empty keeps them.
        masks, added: corrected masks, and objects that the row did not have.
        reason: of a rejection.
        comment, reviewer, time: free text.
    """

    candidate: Text
    digest: Text
    action: Action
    instruction: Word = ""
    phrases: Annotated[tuple[ReviewedPhrase, ...], Expected("a list")] = ()
    masks: Annotated[tuple[CorrectedMask, ...], Expected("a list")] = ()
    added: Annotated[tuple[AddedObject, ...], Expected("a list")] = ()
    reason: Word = ""
    comment: Word = ""
    reviewer: Word = ""
    time: Word = ""


_DECISION: TypeAdapter[HumanDecision] = TypeAdapter(HumanDecision)


@dataclass
class DecisionFile:
    """The content of a file of decisions.

    Attributes:
        latest: the last decision about each candidate, in the order of their lines.
        lines: all decisions, replaced ones too.
        cut: whether the last line ends without a line break and is no decision: its writer was stopped.
    """

    latest: dict[str, HumanDecision] = field(default_factory=dict)
    lines: int = 0
    cut: bool = False


def review_digest(row: ImageRow, candidate: Candidate) -> str:
    """Differs when the objects of the image or the candidate differ."""
    return digest([row.digest, candidate_to_dict(candidate)])


def changed_phrases(
    candidate: Candidate, phrases: Iterable[tuple[str, Iterable[int]]]
) -> tuple[ReviewedPhrase, ...]:
    """The phrases for a decision; empty when they are those of the candidate."""
    found = tuple(ReviewedPhrase(text, tuple(sorted(set(numbers)))) for text, numbers in phrases)
    same = [CandidatePhrase(phrase.text, phrase.numbers) for phrase in found] == list(candidate.phrases)
    return () if same else found


def decision_to_dict(decision: HumanDecision) -> dict[str, Any]:
    """The JSON object of a decision, without fields that have their default."""
    found: dict[str, Any] = _DECISION.dump_python(decision, mode="json", exclude_defaults=True)
    return found


def parse_decision(value: Any, where: str) -> HumanDecision:
    """A decision from a JSON object.

    Raises:
        InputError: naming `where` and the field.
    """
    try:
        return _DECISION.validate_python(value)
    except ValidationError as error:
        fault = first_fault(error, HumanDecision, value)
        at = f"{where}, field {fault.place}" if fault.place else where
        if fault.kind == "unknown":
            raise InputError(f"{at}: unknown field; {fault.text}") from error
        if fault.kind == "missing":
            raise InputError(f"{at}: the field is missing") from error
        raise InputError(f"{at}: expected {fault.text}, got {fault.value!r:.80}") from error


def read_decisions(path: Path) -> DecisionFile:
    """The decisions of a file; none if it does not exist.

    Raises:
        InputError: it cannot be read, or a line is no decision.
    """
    found = DecisionFile()
    try:
        if not path.exists():
            return found
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                where = f"{path}, line {number}"
                try:
                    decision = parse_decision(parse_json(line, where, finite=True), where)
                except InputError:
                    if line.endswith(b"\n"):
                        raise
                    found.cut = True
                    break
                found.lines += 1
                found.latest.pop(decision.candidate, None)
                found.latest[decision.candidate] = decision
    except OSError as error:
        raise InputError(f"{path}: the decisions cannot be read ({reason(error)})") from error
    return found


def append_decisions(path: Path, decisions: Iterable[HumanDecision]) -> int:
    """Append decisions and return their number; a last line that was cut off is removed first.

    Raises:
        InputError: the file cannot be written.
    """
    lines = [json.dumps(decision_to_dict(decision), allow_nan=False) + "\n" for decision in decisions]
    if not lines:
        return 0
    try:
        if path.exists():
            _end_the_last_line(path)
        with path.open("ab") as stream:
            stream.write("".join(lines).encode())
        sync_file(path)
    except OSError as error:
        raise InputError(f"{path}: the decisions cannot be written ({reason(error)})") from error
    return len(lines)


def _end_the_last_line(path: Path) -> None:
    """Remove a last line that is cut, or end it with a line break when it is a whole decision."""
    end = end_of_last_line(path)
    with path.open("r+b") as stream:
        stream.seek(end)
        rest = stream.read()
        if not rest.strip():
            return
        try:
            parse_decision(parse_json(rest, str(path), finite=True), str(path))
        except InputError:
            stream.truncate(end)
        else:
            stream.write(b"\n")
