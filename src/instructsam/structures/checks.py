"""Checks of single values from a caller or a file: `InputError` names what was expected, received and how to fix it."""

from __future__ import annotations

import json
import math
import numbers
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from instructsam.errors import InputError
from instructsam.structures.files import MAX_NAME_BYTES

_MAX_DIGITS = 30  # of an integer in JSON; longer ones fit no id, size or count


def check_text(value: object, name: str) -> str:
    """`value` as text that can be encoded.

    Args:
        value: anything.
        name: what it is and, in a list, its index: "instructions[1]".

    Raises:
        InputError: it is not a string, or holds half of a character (a lone surrogate).
    """
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, got {describe(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        code, position = ord(value[error.start]), error.start
        raise InputError(
            f"{name} holds half of a character (U+{code:04X} at position {position}), which is not valid "
            "Unicode: decode the text as UTF-8 or remove it"
        ) from error
    return str(value)


def check_number(value: object, name: str, low: float, high: float) -> float:
    """`value` as a finite number in [low, high]; numpy scalars are numbers, bools and texts are not.

    Raises:
        InputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, got {describe(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not (math.isfinite(number) and low <= number <= high):
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, got {describe(value)}")
    return number


def check_fraction(value: object, name: str) -> float:
    """`value` as a finite number in [0, 1], such as a score threshold.

    Raises:
        InputError: it is not.
    """
    return check_number(value, name, 0, 1)


def check_count(value: object, name: str, low: int = 1, high: int = 2**31 - 1) -> int:
    """`value` as a whole number in [low, high]; numpy integers are whole numbers, bools are not.

    Raises:
        InputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= int(value) <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}, got {describe(value)}")
    return int(value)


def check_flag(value: object, name: str) -> bool:
    """True or False, of Python or numpy; nothing else, since every text is true.

    Raises:
        InputError: it is neither.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True or False, got {describe(value)}")
    return bool(value)


def check_choice(value: object, name: str, choices: Sequence[str]) -> str:
    """One of some words.

    Raises:
        InputError: it is not.
    """
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, got {value!r:.60}")
    return str(value)


def check_path(value: object, name: str) -> Path:
    """A path as text or `os.PathLike`.

    Raises:
        InputError: it is neither, or is a path of bytes.
    """
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise InputError(f"{name} must be a path, got {describe(value)}")
    try:
        parts = os.fsencode(path).split(os.fsencode(os.sep))
    except UnicodeEncodeError as error:
        raise InputError(f"{name} {path!r:.80} holds half of a character: no file has such a name") from error
    if any(b"\0" in part or len(part) > MAX_NAME_BYTES for part in parts):
        raise InputError(
            f"{name} {path!r:.80} holds a NUL or a name of more than {MAX_NAME_BYTES} bytes: choose another"
        )
    return Path(path)


def describe(value: object, limit: int = 60) -> str:
    """The type and value for a message, cut to `limit` characters: "float nan", "str 'abc'"."""
    if value is None:
        return "None"
    try:
        text = " ".join(repr(value).split())  # arrays have several lines
    except ValueError:  # an integer of thousands of digits
        text = "with thousands of digits"
    text = text if len(text) <= limit else text[: limit - 3] + "..."
    return f"{type(value).__name__} {text}"


def parse_json(text: str | bytes, name: str) -> Any:
    """A JSON document; a byte-order mark is allowed.

    Args:
        text: the document, bytes as UTF-8.
        name: the file (and line) for the message.

    Raises:
        InputError: it is not JSON, not UTF-8, nested too deep, or holds an integer that no field can hold.
    """
    try:
        plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        return json.loads(plain, parse_int=_parse_int)
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name}: this is not JSON ({error.msg}, line {error.lineno}, column {error.colno})"
        ) from error
    except RecursionError as error:
        raise InputError(f"{name}: the JSON is nested too deep to be data: check the file") from error


def _parse_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise InputError(
            f"an integer of {len(digits)} digits ({digits[:12]}...) fits no field: check the file"
        )
    return int(digits)
