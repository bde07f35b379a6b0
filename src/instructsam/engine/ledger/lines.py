"""Lines of segments: a part is one line of canonical JSON, so that equal parts are equal bytes."""

from __future__ import annotations

import json
from typing import Any

from instructsam.engine.tasks import Part, Usage
from instructsam.errors import InputError
from instructsam.structures.checks import describe, parse_json

_FIELDS = {"data": dict, "key": str, "row": str, "stage": str, "usage": dict}
_USAGE = {"input_tokens", "output_tokens"}


def format_part(part: Part) -> bytes:
    """The line of a part, with its line break.

    Raises:
        InputError: its data are not JSON values.
    """
    line = {
        "data": part.data,
        "key": part.key,
        "row": part.row,
        "stage": part.stage,
        "usage": {"input_tokens": part.usage.input_tokens, "output_tokens": part.usage.output_tokens},
    }
    try:
        text = json.dumps(line, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the data of a part must be finite JSON values, got {error} in the stage {part.stage} of row {part.row}"
        ) from error
    return text.encode("ascii") + b"\n"


def parse_part(line: bytes, where: str) -> Part:
    """The part of a line.

    Args:
        line: with or without its line break.
        where: file and line, for the message.

    Raises:
        InputError: the line is damaged.
    """
    try:
        fields = parse_json(line, where)
        _check(fields)
        return Part(fields["key"], fields["stage"], fields["row"], fields["data"], Usage(**fields["usage"]))
    except InputError as error:
        problem = str(error).removeprefix(f"{where}: ")
        raise InputError(
            f"{where}: expected a part, {problem}: remove the line, and its task is performed again"
        ) from error


def _check(fields: Any) -> None:
    if not isinstance(fields, dict):
        raise InputError(f"got {describe(fields)}")
    for name, kind in _FIELDS.items():
        if not isinstance(fields.get(name), kind):
            raise InputError(f"whose {name} is {describe(fields.get(name))}")
    usage = fields["usage"]
    if set(usage) != _USAGE or not all(type(count) is int for count in usage.values()):
        raise InputError(f"whose usage is {describe(usage)}")
    check_key(fields["key"])


def check_key(key: str) -> bytes:
    """The bytes of a key, which is hexadecimal.

    Raises:
        InputError: it is not.
    """
    try:
        return bytes.fromhex(key)
    except ValueError as error:
        raise InputError(f"whose key is {describe(key)}, not hexadecimal digits") from error
