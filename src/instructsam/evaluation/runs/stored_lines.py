"""The fields of one line of predictions.jsonl, each checked: whatever stands there, the message names file and line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from instructsam.errors import InputError
from instructsam.structures.checks import check_count, check_fraction, check_number, describe
from instructsam.structures.masks import MAX_PIXELS
from instructsam.structures.predictions import Status

FIELDS = (
    "id",
    "instruction",
    "family",
    "phrases",
    "status",
    "size",
    "masks",
    "scores",
    "phrase_ids",
    "seconds",
    "content",
    "reason",
)
_NEW = ("content", "reason")  # since the second format
_STATUSES = (*get_args(Status), "unanswered")
_MAX_SECONDS = 1e9


def parse_line(line: Any, where: str, older: bool = False) -> dict[str, Any]:
    """The fields of a line, lists as tuples.

    Args:
        line: decoded JSON.
        where: file and line, for messages.
        older: of the first format, which has no `content` and no `reason`.

    Raises:
        InputError: a field is missing, unknown or of a wrong type or value.
    """
    names = {name for name in FIELDS if not (older and name in _NEW)}
    if not isinstance(line, dict) or set(line) != names:
        odd = sorted(set(line) ^ names)[:8] if isinstance(line, dict) else describe(line)
        raise InputError(
            f"{where}: a prediction must have the fields {sorted(names)}, odd or missing: {odd!r:.200}"
        )
    fields = dict(line)
    for name in names & {"id", "instruction", "family", "status", "content", "reason"}:
        if not isinstance(fields[name], str):
            raise InputError(f"{where}: {name} must be text, got {describe(fields[name])}")
    if not fields["id"]:
        raise InputError(f"{where}: id must not be empty")
    if fields["status"] not in _STATUSES:
        raise InputError(
            f"{where}: status must be one of {', '.join(_STATUSES)}, got {describe(fields['status'])}"
        )
    fields["seconds"] = check_number(fields["seconds"], f"{where}: seconds", 0, _MAX_SECONDS)
    fields["size"] = _size(fields["size"], where)
    fields["phrases"] = _all(fields["phrases"], f"{where}: phrases", _text)
    fields["scores"] = _all(fields["scores"], f"{where}: scores", check_fraction)
    last = len(fields["phrases"]) - 1
    fields["phrase_ids"] = _all(
        fields["phrase_ids"], f"{where}: phrase_ids", lambda value, name: check_count(value, name, 0, last)
    )
    size = fields["size"]
    fields["masks"] = _all(fields["masks"], f"{where}: masks", lambda value, name: _code(value, name, size))
    counts = [len(fields[name]) for name in ("masks", "scores", "phrase_ids")]
    if len(set(counts)) > 1:
        raise InputError(
            f"{where}: masks, scores and phrase_ids must be equally many, "
            f"got {counts[0]} masks, {counts[1]} scores, {counts[2]} phrase_ids"
        )
    if fields["status"] == "unanswered" and counts[0]:
        raise InputError(f"{where}: an unanswered record must have no masks, got {counts[0]}")
    return fields


def _all(values: Any, name: str, check: Callable[[Any, str], Any]) -> tuple[Any, ...]:
    if not isinstance(values, list):
        raise InputError(f"{name} must be a list, got {describe(values)}")
    return tuple(check(value, f"{name}[{number}]") for number, value in enumerate(values))


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, got {describe(value)}")
    return value


def _size(value: Any, where: str) -> tuple[int, int]:
    sides = _all(
        value, f"{where}: size", lambda side, name: check_count(side, f"{name} (pixels)", 1, MAX_PIXELS)
    )
    if len(sides) != 2 or sides[0] * sides[1] > MAX_PIXELS:
        raise InputError(
            f"{where}: size must be [height, width] of at most {MAX_PIXELS} pixels, got {describe(value)}"
        )
    return sides[0], sides[1]


def _code(value: Any, name: str, size: tuple[int, int]) -> Mapping[str, Any]:
    if (
        not isinstance(value, dict)
        or set(value) != {"size", "counts"}
        or not isinstance(value["counts"], str)
    ):
        raise InputError(
            f"{name} must be a run-length code {{'size': [height, width], 'counts': text}}, got {describe(value)}"
        )
    if value["size"] != list(size) or any(type(side) is not int for side in value["size"]):
        raise InputError(f"{name}: masks must have the size {size}, got {describe(value['size'])}")
    return value
