"""Decisions of the agent's VLM, parsed from replies with other text around them.

The user's own text is never parsed as a decision, even where the model repeats it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from instructsam.errors import InputError
from instructsam.vlms.json_objects import braced, objects_in

ActionName = Literal["segment", "accept", "select", "none"]
MAX_PHRASE_LENGTH = 120  # characters; a noun phrase is far shorter


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


def _without(reply: str, instruction: str) -> str:
    """The reply with the user's own braces taken out, as they were typed and as JSON writes them."""
    if next(braced(instruction), None) is None:
        return reply
    for quoted in (
        instruction,
        json.dumps(instruction)[1:-1],
        json.dumps(instruction, ensure_ascii=False)[1:-1],
    ):
        reply = reply.replace(quoted, " ")
    return reply


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
