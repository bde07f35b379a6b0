"""Data inside prompts: JSON that neither a chat template nor the prompt's own delimiters can take for structure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from instructsam.vlms.json_objects import TEMPLATE_BRACKET

Data: TypeAlias = str | int | float | bool | Sequence[Any] | Mapping[Any, Any] | None
"""JSON values."""


def quoted(value: Data) -> str:
    """A JSON value in one line; letters of any script stay readable.

    Strings hold no angle bracket, so that `</objects>`, `<|im_end|>` or `<start_of_turn>` in them stay data; `[INST]`
    and invisible characters are escaped too.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return TEMPLATE_BRACKET.sub(r"\\u005b", "".join(map(_escaped, text)))


def block(name: str, value: Data) -> str:
    """A JSON value between `<name>` and `</name>`; a list has one line for each item."""
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        text = "[\n" + ",\n".join(map(quoted, value)) + "\n]"
    else:
        text = quoted(value)
    return f"<{name}>\n{text}\n</{name}>"


def _escaped(letter: str) -> str:
    """A letter of JSON; what is escaped here stands only inside its strings."""
    if letter.isprintable() and letter not in "<>":
        return letter
    code = ord(letter)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
