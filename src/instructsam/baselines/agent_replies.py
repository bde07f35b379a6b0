"""Decisions of the agent's VLM, parsed from replies with other text around them.

Models fence their JSON, use single quotes, leave trailing commas or explain themselves; json-repair repairs that, piece
by piece, and a repair that changes the words of a piece is discarded. The user's own text is never parsed as a
decision, even where the model repeats it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import json_repair

from instructsam.errors import InputError

ActionName = Literal["segment", "accept", "select", "none"]
MAX_PHRASE_LENGTH = 120  # characters; a noun phrase is far shorter
MAX_OBJECT_LENGTH = 4000  # characters
_LENIENT = json.JSONDecoder(strict=False)  # which takes line breaks inside a string


class ReplyError(InputError):
    """The reply holds no valid decision; the message tells the model what was expected."""


@dataclass(frozen=True)
class Action:
    """A decision: call the detector with `phrase`, accept all masks, select `numbers` (from 1), or nothing matches."""

    name: ActionName
    phrase: str = ""
    numbers: tuple[int, ...] = ()


def parse_action(reply: str, allowed: Sequence[ActionName], marks: int, instruction: str) -> Action:
    """The last valid decision of a reply.

    Args:
        reply: all that the VLM wrote.
        allowed: the decisions that make sense now.
        marks: how many numbered masks it was shown.
        instruction: the user's words, which do not count where the reply repeats them.

    Raises:
        ReplyError: there is none.
    """
    problem = f'expected one JSON object with "action", one of {", ".join(allowed)}'
    typed = list(objects_in(instruction))  # which a model may repeat with other blanks
    found = [fields for fields in objects_in(_without(reply, instruction)) if fields not in typed]
    for fields in reversed(found):
        try:
            return _action(fields, allowed, marks)
        except ReplyError as error:
            problem = str(error)
    raise ReplyError(problem)


def objects_in(text: str) -> Iterator[dict[str, Any]]:
    """Every JSON object at the top level of a text, repaired where need be, in order."""
    for piece in _braced(text):
        value = _decoded(piece)
        if isinstance(value, dict):
            yield value


def _without(reply: str, instruction: str) -> str:
    """The reply with the user's own braces taken out, as they were typed and as JSON writes them."""
    if next(_braced(instruction), None) is None:
        return reply
    for quoted in (
        instruction,
        json.dumps(instruction)[1:-1],
        json.dumps(instruction, ensure_ascii=False)[1:-1],
    ):
        reply = reply.replace(quoted, " ")
    return reply


def _braced(text: str) -> Iterator[str]:
    """Balanced {...} pieces; braces inside double quotes do not count, one that is never closed neither."""
    place = 0
    while (start := text.find("{", place)) >= 0 and text.find("}", start) >= 0:
        end = _closing(text, start)
        place = start + 1 if end < 0 else end
        if end >= 0:
            yield text[start:end]


def _closing(text: str, start: int) -> int:
    """Where the piece that opens at `start` ends, or -1."""
    depth, quoted, escaped = 0, False, False
    for position in range(start, min(len(text), start + MAX_OBJECT_LENGTH)):
        char = text[position]
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
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
    """Words and numbers in order, as JSON spells Python's constants."""
    words = re.findall(r"\w+", re.sub(r"\\(u[0-9a-fA-F]{4}|.)", " ", text, flags=re.DOTALL).casefold())
    return ["null" if word == "none" else word for word in words]


def _action(fields: dict[str, Any], allowed: Sequence[ActionName], marks: int) -> Action:
    name = fields.get("action")
    name = name.strip().lower() if isinstance(name, str) else name
    if name not in get_args(ActionName) or name not in allowed:
        raise ReplyError(f'"action" must be one of {", ".join(allowed)}, got {_short(name)}')
    if name == "segment":
        phrase = fields.get("phrase")
        phrase = " ".join(phrase.split()) if isinstance(phrase, str) else phrase
        if not isinstance(phrase, str) or not 0 < len(phrase) <= MAX_PHRASE_LENGTH:
            raise ReplyError(f'"phrase" must be a noun phrase such as "red mug", got {_short(phrase)}')
        return Action("segment", phrase=phrase)
    if name == "select":
        return Action("select", numbers=_numbers(fields.get("numbers"), marks))
    return Action(cast("ActionName", name))


def _numbers(value: Any, marks: int) -> tuple[int, ...]:
    items = value if isinstance(value, (list, tuple)) else [value]
    numbers = []
    for item in items:
        number = int(item) if isinstance(item, str) and re.fullmatch(r"\s*\d{1,6}\s*", item) else item
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= marks:
            raise ReplyError(
                f'"numbers" must be a list of mask numbers from 1 to {marks}, got {_short(value)}'
            )
        numbers.append(number)
    if not numbers:
        raise ReplyError('"numbers" must name at least one mask; if none matches, the action is "none"')
    return tuple(dict.fromkeys(numbers))


def _short(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 60 else words[:57] + "..."
