"""The fields of one line of predictions.jsonl, each checked: every message names file, line and field."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, Strict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from instructsam.data.record_fields import Rle, has_size
from instructsam.errors import InputError
from instructsam.structures.checks import describe
from instructsam.structures.masks import MAX_PIXELS
from instructsam.structures.predictions import Status
from instructsam.structures.validation import Expected, first_fault

_Text: TypeAlias = Annotated[str, Strict()]  # lone surrogates too: the model's answers are kept unchanged
_Side: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=MAX_PIXELS), Expected("a whole number of pixels")]
_Score: TypeAlias = Annotated[float, Strict(), Field(ge=0, le=1), Expected("a number from 0 to 1")]
_Index: TypeAlias = Annotated[int, Strict(), Field(ge=0), Expected("the index of a phrase")]
_Seconds: TypeAlias = Annotated[float, Strict(), Field(ge=0, le=1e9), Expected("a number from 0 to 1e9")]


@with_config(ConfigDict(extra="forbid"))
class OlderLine(TypedDict):
    """A line of the first format."""

    id: _Text
    instruction: _Text
    family: _Text
    phrases: tuple[_Text, ...]
    status: Literal[Status, "unanswered"]
    size: Annotated[
        tuple[_Side, _Side], Expected(f"[height, width], whole numbers of at most {MAX_PIXELS} pixels")
    ]
    masks: tuple[Annotated[Rle, Expected("a run-length code {'size': [height, width], 'counts': text}")], ...]
    scores: tuple[_Score, ...]
    phrase_ids: tuple[_Index, ...]
    seconds: _Seconds


@with_config(ConfigDict(extra="forbid"))
class Line(OlderLine):
    """A line of the present format."""

    content: _Text
    reason: _Text


FIELDS = tuple(Line.__annotations__)
_OLDER = TypeAdapter(OlderLine)
_LINE = TypeAdapter(Line)


def parse_line(line: Any, where: str, older: bool = False) -> OlderLine:
    """The fields of a line, lists as tuples.

    Args:
        line: decoded JSON.
        where: file and line, for messages.
        older: of the first format, which has no `content` and no `reason`.

    Raises:
        InputError: a field is missing, unknown or of a wrong type or value.
    """
    try:
        fields = (_OLDER if older else _LINE).validate_python(line)
    except ValidationError as error:
        raise InputError(_message(error, OlderLine if older else Line, line, where)) from error
    if not fields["id"]:
        raise InputError(f"{where}: id must not be empty")
    size, last = fields["size"], len(fields["phrases"]) - 1
    if size[0] * size[1] > MAX_PIXELS:
        raise InputError(
            f"{where}: size must be [height, width] of at most {MAX_PIXELS} pixels, got {describe(list(size))}"
        )
    for number, index in enumerate(fields["phrase_ids"]):
        if index > last:
            raise InputError(
                f"{where}: phrase_ids[{number}] must be a whole number from 0 to {last}, got {describe(index)}"
            )
    for number, code in enumerate(fields["masks"]):
        if not has_size(code, size):
            raise InputError(
                f"{where}: masks[{number}]: masks must have the size {size}, got {describe(code['size'])}"
            )
    counts = len(fields["masks"]), len(fields["scores"]), len(fields["phrase_ids"])
    if len(set(counts)) > 1:
        raise InputError(
            f"{where}: masks, scores and phrase_ids must be equally many, "
            f"got {counts[0]} masks, {counts[1]} scores, {counts[2]} phrase_ids"
        )
    if fields["status"] == "unanswered" and counts[0]:
        raise InputError(f"{where}: an unanswered record must have no masks, got {counts[0]}")
    return fields


def _message(error: ValidationError, schema: Any, line: Any, where: str) -> str:
    fault = first_fault(error, schema, line)
    if fault.kind == "unknown":
        return f"{where}: unknown field {fault.place}; {fault.text}"
    if fault.kind == "missing":
        return f"{where}: the field {fault.place} is missing"
    return f"{where}: {fault.place or 'a prediction'} must be {fault.text}, got {describe(fault.value)}"
