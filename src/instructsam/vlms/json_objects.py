"""JSON objects in replies of vision-language models, and text that no chat template reads as structure.

Models fence their JSON, use single quotes, leave trailing commas or explain themselves; json-repair repairs that, piece
by piece, and a repair that changes the words of a piece is discarded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import json_repair

MAX_OBJECT_LENGTH = 4000  # characters
_MAX_UNCLOSED = 200  # braces without end, each of which costs a pass over the text
_LENIENT = json.JSONDecoder(strict=False)  # which takes line breaks inside a string
_STRUCTURE = re.compile(r'["{}\\]')
TEMPLATE_BRACKET = re.compile(r"\[(?=/?[A-Z_]{2,}\])")  # of [INST] and the like


def plain(text: str) -> str:
    """Text without anything that a chat template could read as structure: <|im_end|>, </think>, [INST] and the like.

    Prompts, instructions and replies all go through it: an image or instruction can make a model write any phrase.
    """
    return TEMPLATE_BRACKET.sub(r"\g<0> ", re.sub(r"<(?=[|\uff5c/\w])", r"\g<0> ", text))


def objects_in(text: str, limit: int = MAX_OBJECT_LENGTH) -> Iterator[dict[str, Any]]:
    """Every JSON object at the top level of a text, repaired where need be, in order.

    Args:
        limit: characters of the longest object.
    """
    for piece in braced(text, limit):
        value = _decoded(piece)
        if isinstance(value, dict):
            yield value


def braced(text: str, limit: int = MAX_OBJECT_LENGTH) -> Iterator[str]:
    """Balanced {...} pieces; braces inside double quotes do not count, one that is never closed neither."""
    place, unclosed = 0, 0
    while unclosed < _MAX_UNCLOSED and (start := text.find("{", place)) >= 0 and text.find("}", start) >= 0:
        end = _closing(text, start, limit)
        place = start + 1 if end < 0 else end
        if end >= 0:
            yield text[start:end]
        else:
            unclosed += 1


def _closing(text: str, start: int, limit: int) -> int:
    """Where the piece that opens at `start` ends, or -1."""
    depth, quoted, resume = 0, False, start
    for found in _STRUCTURE.finditer(text, start, min(len(text), start + limit)):
        char, position = found[0], found.start()
        if position < resume:
            continue
        if quoted:
            if char == "\\":
                resume = position + 2
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char in "{}":
            depth += 1 if char == "{" else -1
            if depth == 0:
                return position + 1
    return -1


def _decoded(piece: str) -> Any:
    """The value of a piece, repaired where it is not JSON; None where the repair would lose or add a word."""
    try:
        return _LENIENT.decode(piece)
    except (ValueError, RecursionError):
        pass
    try:
        value = json_repair.loads(piece, skip_json_loads=True, strict=True)
        return value if _words(piece) == _words(json.dumps(value, ensure_ascii=False)) else None
    except (ValueError, RecursionError):
        return None


def _words(text: str) -> list[str]:
    """Words, numbers and ellipses in order, as JSON spells Python's constants."""
    words = re.findall(
        r"\w+|\.{3}|\N{HORIZONTAL ELLIPSIS}",
        re.sub(r"\\(u[0-9a-fA-F]{4}|.)", " ", text, flags=re.DOTALL).casefold(),
    )
    return ["null" if word == "none" else word for word in words]
