"""Checks of single values from a caller or a file: `InputError` names what was expected, received and how to fix it."""

from __future__ import annotations

import difflib
import json
import math
import numbers
import os
import reprlib
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from instructsam.errors import ConfigError, InputError
from instructsam.structures.file_names import MAX_NAME_BYTES

_MAX_DIGITS = 30  # of an integer in JSON; longer ones fit no id, size or count


def check_text(value: object, name: str) -> str:
    """`value` as text that can be encoded.

    Args:
        value: anything.
        name: of the value, for the message; in a list with its index: "instructions[1]".

    Raises:
        InputError: it is not a string, or contains a lone surrogate.
    """
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, got {describe(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name} contains a lone surrogate (U+{ord(value[error.start]):04X} at position {error.start}), which is "
            "not valid Unicode: decode the text as UTF-8 or remove it"
        ) from error
    return str(value)


def check_number(value: object, name: str, low: float, high: float) -> float:
    """`value` as a finite number in [low, high]; scalars of numpy and torch are numbers, bools and texts are not.

    Raises:
        InputError: it is not.
    """
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, numbers.Real):
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, got {describe(value)}")
    try:
        number = float(plain)
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


def check_count(value: object, name: str, low: int = 1, high: int = sys.maxsize) -> int:
    """`value` as a whole number in [low, high]; integers of numpy and torch are whole numbers, bools are not.

    Raises:
        InputError: it is not.
    """
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, numbers.Integral) or not low <= int(plain) <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}, got {describe(value)}")
    return int(plain)


def _plain(value: object) -> object:
    """The Python value of a numpy scalar and of an array or tensor without axes; anything else unchanged."""
    is_scalar = getattr(value, "ndim", None) == 0 and getattr(value, "is_meta", False) is False
    return value.item() if is_scalar and hasattr(value, "item") else value


def check_flag(value: object, name: str) -> bool:
    """True or False, of Python or numpy; strings are refused, since every non-empty string is true.

    Raises:
        InputError: it is neither.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True or False, got {describe(value)}")
    return bool(value)


def check_choice(value: object, name: str, choices: Sequence[str]) -> str:
    """`value` as one of `choices`.

    Raises:
        InputError: it is not.
    """
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, got {value!r:.60}")
    return str(value)


def check_path(value: object, name: str) -> Path:
    """`value` as a path, from text or `os.PathLike`.

    Raises:
        InputError: it is neither, or is a path of bytes.
    """
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise InputError(f"{name} must be a path, got {describe(value)}")
    try:
        parts = os.fsencode(path).split(os.fsencode(os.sep))
    except UnicodeEncodeError as error:
        raise InputError(f"{name} {path!r:.80} contains a lone surrogate: no file has such a name") from error
    if any(b"\0" in part or len(part) > MAX_NAME_BYTES for part in parts):
        raise InputError(
            f"{name} {path!r:.80} contains a NUL or a name of more than {MAX_NAME_BYTES} bytes: choose another"
        )
    return Path(path)


def is_number(value: object) -> bool:
    """Whether this is an int or float with a finite float value; bools are not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer above 1e308
        return False


def check_choices(name: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Check that the names in a field (keys of a mapping) are known and unique.

    Raises:
        ConfigError: one is not; the message suggests the nearest known name.
    """
    seen: set[str] = set()
    for item in given:
        if item not in known:
            near = difflib.get_close_matches(item, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{name} must be some of {', '.join(known)}, got {describe(item)}{hint}")
        if item in seen:
            raise ConfigError(f"{name} must contain every name once, got {item!r} twice")
        seen.add(item)


def describe(value: object, limit: int = 60) -> str:
    """The type and value for a message, cut to `limit` characters: "float nan", "str 'abc'"."""
    return "None" if value is None else f"{type(value).__name__} {shorten(value, limit)}"


def shorten(value: object, limit: int = 60) -> str:
    """`repr(value)` cut to `limit` characters, at a cost that does not grow with the value's length or depth."""
    try:
        text = " ".join(line.strip() for line in _SHORT.repr(value).splitlines())  # arrays have several
    except ValueError:  # an integer of thousands of digits
        text = "with thousands of digits"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def name_of_key(key: object) -> str:
    """A key of a JSON object for a message: cut, and quoted when it contains unprintable characters."""
    text = key[:60] if isinstance(key, str) else shorten(key)
    return text if text.isprintable() else shorten(text)


class _ShortRepr(reprlib.Repr):
    """Shows only the first items of a container, only some levels, and only the start of a text."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxlist, self.maxtuple, self.maxdict = 4, 12, 12, 12
        self.maxstring, self.maxlong, self.maxother = 400, 400, 400

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """Keeps the order of the keys; the base class sorts all of them."""
        if level <= 0:
            return "{...}"
        items = [
            f"{self.repr1(key, level - 1)}: {self.repr1(x[key], level - 1)}"
            for key in islice(x, self.maxdict)
        ]
        return "{" + ", ".join(items + ["..."] * (len(x) > self.maxdict)) + "}"

    def repr_bytes(self, x: bytes, level: int) -> str:
        """Shows only the start."""
        return repr(x[: self.maxstring])


_SHORT = _ShortRepr()


def parse_json(
    text: str | bytes,
    name: str,
    *,
    finite: bool = False,
    object_hook: Callable[[dict[str, Any]], Any] | None = None,
) -> Any:
    """A JSON document; a byte-order mark is allowed.

    Args:
        text: the document, bytes as UTF-8.
        name: the file (and line) for the message.
        finite: whether to refuse NaN, infinity and numbers out of the range of a float.
        object_hook: replaces each object as soon as it is parsed.

    Raises:
        InputError: it is not JSON, not UTF-8, nested too deep, or contains an integer of too many digits.
    """
    hooks: dict[str, Any] = {"parse_float": _finite, "parse_constant": _finite} if finite else {}
    try:
        plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        return json.loads(plain, parse_int=_parse_int, object_hook=object_hook, **hooks)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 text (byte {error.start} is {error.object[error.start]:#04x}): save it as UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        row = f"line {error.lineno}, " if "\n" in plain.strip() else ""
        raise InputError(f"{name}: this is not JSON ({error.msg}, {row}column {error.colno})") from error
    except RecursionError as error:
        raise InputError(f"{name}: the JSON is nested too deep to be data: check the file") from error
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise InputError(f"{number[:20]} is not a JSON number: use a finite one")
    return value


def _parse_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise InputError(
            f"an integer of {len(digits)} digits ({digits[:12]}...) fits no field: check the file"
        )
    return int(digits)
