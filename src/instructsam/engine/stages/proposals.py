"""Instructions in replies, checked against the objects of their row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from instructsam.engine.candidates import NO_TARGET, Candidate, CandidatePhrase, Kind
from instructsam.engine.rows import ImageRow
from instructsam.engine.stages.base import BrokenReplyError
from instructsam.engine.stages.replies import (
    NUMBERS,
    TEXT,
    check_numbers,
    check_reply_text,
    list_schema,
    object_schema,
)
from instructsam.structures.checks import shorten

PHRASES = list_schema(object_schema(text=TEXT, numbers=NUMBERS))
"""Schema of the phrases of an instruction."""

MAX_INSTRUCTION, MAX_PHRASE = 1000, 200  # characters
_MAX_PHRASES = 20
_SHOWN = 3  # faults that a message names


@dataclass
class Proposals:
    """The instructions of a reply.

    Attributes:
        candidates: the usable ones, in order.
        dropped: number of the others, by fault.
        faults: their messages.
    """

    candidates: list[Candidate] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def drop(self, fault: str, message: str) -> None:
        """Count an item that is left out."""
        self.dropped[fault] += 1
        self.faults.append(message)


class _ItemError(BrokenReplyError):
    """A fault of one item, with the word under which it is counted."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def parse_proposals(items: Sequence[Any], row: ImageRow, kinds: Collection[Kind], most: int) -> Proposals:
    """The candidates of a reply's list; items with a fault are counted and left out.

    Args:
        kinds: that were requested.
        most: instructions that were requested; further ones are left out.

    Raises:
        BrokenReplyError: no item can be used; the message names the first faults.
    """
    found = Proposals()
    seen: set[str] = set()
    for place, item in enumerate(items):
        where = f"instructions[{place}]"
        try:
            kind = _kind(item, kinds, where)
            instruction, phrases = parse_instruction(item, kind, len(row.instances), where)
        except _ItemError as error:
            found.drop(error.fault, str(error))
            continue
        if instruction.casefold() in seen:
            found.drop("repeated", f"{where} repeats {shorten(instruction)}")
        elif len(found.candidates) == most:
            found.drop("more than requested", f"{where} is more than the {most} that were requested")
        else:
            seen.add(instruction.casefold())
            number = len(found.candidates) + 1
            found.candidates.append(Candidate(f"{row.id}#{number}", kind, instruction, phrases))
    if not found.candidates:
        faults = "; ".join(found.faults[:_SHOWN]) or "the list is empty"
        raise BrokenReplyError(f"no instruction can be used: {faults}")
    return found


def parse_instruction(
    item: dict[str, Any], kind: Kind, count: int, where: str = "the reply"
) -> tuple[str, tuple[CandidatePhrase, ...]]:
    """The instruction and the phrases of a JSON object that has both.

    Args:
        kind: of the instruction; kinds without target have no numbers, all others have some in each phrase.
        count: objects of the row.
        where: what messages begin with.

    Raises:
        BrokenReplyError: a text is empty or no text, a number is none of an object, or does not suit the kind.
    """
    try:
        instruction = check_reply_text(item.get("instruction"), f"{where}.instruction", MAX_INSTRUCTION)
    except BrokenReplyError as error:
        raise _ItemError("instruction", str(error)) from error
    values = item.get("phrases")
    if not isinstance(values, list) or not 1 <= len(values) <= _MAX_PHRASES:
        message = f"{where}.phrases must be a list of 1 to {_MAX_PHRASES} phrases, got {shorten(values)}"
        raise _ItemError("phrases", message)
    phrases = tuple(
        _phrase(value, kind, count, f"{where}.phrases[{place}]") for place, value in enumerate(values)
    )
    if len({phrase.text.casefold() for phrase in phrases}) < len(phrases):
        raise _ItemError(
            "phrases", f"{where}.phrases must differ in their text: join those with the same one"
        )
    if kind == "several" and len(phrases) < 2:
        raise _ItemError("phrases", f'{where}: an instruction of kind "several" must have a phrase per group')
    return instruction, phrases


def _kind(item: Any, kinds: Collection[Kind], where: str) -> Kind:
    if not isinstance(item, dict):
        raise _ItemError(
            "form", f"{where} must be an object with kind, instruction, phrases; got {shorten(item)}"
        )
    name = item.get("kind")
    plain = name.strip().casefold() if isinstance(name, str) else name
    for kind in kinds:
        if plain == kind:
            return kind
    raise _ItemError("kind", f"{where}.kind must be one of {', '.join(kinds)}; got {shorten(name)}")


def _phrase(value: Any, kind: Kind, count: int, where: str) -> CandidatePhrase:
    if not isinstance(value, dict):
        raise _ItemError("phrases", f"{where} must be an object with text and numbers, got {shorten(value)}")
    try:
        text = check_reply_text(value.get("text"), f"{where}.text", MAX_PHRASE)
    except BrokenReplyError as error:
        raise _ItemError("phrases", str(error)) from error
    try:
        numbers = check_numbers(value.get("numbers"), f"{where}.numbers", count)
    except BrokenReplyError as error:
        raise _ItemError("numbers", str(error)) from error
    if kind in NO_TARGET and numbers:
        raise _ItemError("numbers", f'{where}.numbers must be [] for the kind "{kind}", got {list(numbers)}')
    if kind not in NO_TARGET and not numbers:
        raise _ItemError("numbers", f'{where}.numbers must name at least one object for the kind "{kind}"')
    return CandidatePhrase(text, numbers)
