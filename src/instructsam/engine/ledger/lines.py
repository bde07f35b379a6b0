"""Lines of segments: a part is one line of canonical JSON, so that equal parts are equal bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from instructsam.engine.tasks import Part
from instructsam.errors import InputError, first_line
from instructsam.structures.checks import describe

_PART: TypeAdapter[Part] = TypeAdapter(Part)


def format_part(part: Part) -> bytes:
    """The line of a part, UTF-8 with its line break.

    Raises:
        InputError: its data are not JSON values: NaN, infinity, a lone surrogate, an object.
    """
    line = {
        "data": part.data,
        "key": part.key,
        "row": part.row,
        "stage": part.stage,
        "usage": {"input_tokens": part.usage.input_tokens, "output_tokens": part.usage.output_tokens},
    }
    return _encode(line) + b"\n"


def check_data(data: Mapping[str, Any]) -> None:
    """Check that a part can hold these data.

    Raises:
        InputError: see `format_part`.
    """
    _encode(data)


def _encode(value: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        return text.encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"the data of a part must be JSON values ({first_line(error)})") from error


def parse_part(line: bytes, where: str) -> Part:
    """The part of a line.

    Args:
        line: with or without its line break.
        where: file and line, for the message.

    Raises:
        InputError: the line is damaged.
    """
    try:
        part = _PART.validate_json(line, strict=True)
        check_key(part.key)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise _damaged(where, f"{name}: {first['msg']}" if name else first["msg"]) from error
    except InputError as error:
        raise _damaged(where, str(error)) from error
    return part


def check_key(key: str) -> bytes:
    """The bytes of a key, which is hexadecimal.

    Raises:
        InputError: it is not.
    """
    try:
        return bytes.fromhex(key)
    except ValueError as error:
        raise InputError(f"a key must be hexadecimal digits, got {describe(key)}") from error


def _damaged(where: str, problem: str) -> InputError:
    return InputError(
        f"{where}: expected a part, got a damaged line ({problem}): remove it, and its task is performed again"
    )
