"""JSON schemas of replies, and replies parsed."""

from __future__ import annotations

from typing import Any

from instructsam.engine.stages.base import BrokenReplyError
from instructsam.structures.checks import shorten
from instructsam.structures.safe_text import hidden_letters
from instructsam.vlms.json_objects import objects_in

VERSION = 1  # of what the stages of the proposer make of a reply: a change of it repeats their questions
MAX_REPLY = 100_000  # characters that are parsed


def object_schema(**properties: Any) -> dict[str, Any]:
    """A schema of an object with exactly these properties, in the strict form that every server takes."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def list_schema(items: Any) -> dict[str, Any]:
    """A schema of a list; its length is checked after parsing, since servers differ in what they enforce."""
    return {"type": "array", "items": items}


def choice_schema(*values: str) -> dict[str, Any]:
    """A schema of a text that is one of these."""
    return {"type": "string", "enum": list(values)}


TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
NUMBERS = {"type": "array", "items": {"type": "integer"}}


def parse_reply(reply: str, *keys: str) -> dict[str, Any]:
    """The last JSON object of a reply that has these keys; text around it does not count.

    Raises:
        BrokenReplyError: there is none.
    """
    found: dict[str, Any] | None = None
    others: dict[str, Any] | None = None
    for value in objects_in(reply[:MAX_REPLY], MAX_REPLY):
        others = value
        if all(key in value for key in keys):
            found = value
    if found is not None:
        return found
    wanted = ", ".join(f'"{key}"' for key in keys)
    received = f"the keys {', '.join(map(shorten, others))}" if others else shorten(reply, 200)
    raise BrokenReplyError(f"expected one JSON object with the keys {wanted}, got {received}")


def parse_items(reply: str, key: str, item_key: str) -> list[Any]:
    """The list under `key` in the last JSON object that has one.

    A reply that was cut, or in which one item is broken beyond repair, gives the items that are whole.

    Args:
        item_key: that every item has.

    Raises:
        BrokenReplyError: there is no such list and no such item.
    """
    text = reply[:MAX_REPLY]
    lists = [value[key] for value in objects_in(text, MAX_REPLY) if isinstance(value.get(key), list)]
    if lists:
        return list(lists[-1])
    inner = text[text.find("{") + 1 :] if key in text else text
    items = [value for value in objects_in(inner, MAX_REPLY) if item_key in value]
    if items:
        return items
    raise BrokenReplyError(f'expected one JSON object with the list "{key}", got {shorten(reply, 200)}')


def check_numbers(value: Any, name: str, count: int) -> tuple[int, ...]:
    """The numbers of objects in a reply, ascending and each once.

    Args:
        value: a list of whole numbers, which a model may write as texts.
        name: of the value, for the message.
        count: objects of the row, numbered from 1.

    Raises:
        BrokenReplyError: it is no list, or a number is none of an object.
    """
    if not isinstance(value, list):
        raise BrokenReplyError(
            f"{name} must be a list of object numbers from 1 to {count}, got {shorten(value)}"
        )
    numbers = set()
    for item in value:
        plain = int(item) if isinstance(item, str) and item.strip().isdecimal() and len(item) < 9 else item
        if isinstance(plain, float) and plain.is_integer():
            plain = int(plain)
        if not isinstance(plain, int) or isinstance(plain, bool) or not 1 <= plain <= count:
            raise BrokenReplyError(
                f"{name} must hold object numbers from 1 to {count}, got {shorten(item)} in {shorten(value)}"
            )
        numbers.add(plain)
    return tuple(sorted(numbers))


def check_reply_text(value: Any, name: str, limit: int) -> str:
    """A text of a reply in one line, with single spaces.

    Raises:
        BrokenReplyError: it is no text, empty, too long, or holds what no text should.
    """
    if not isinstance(value, str):
        raise BrokenReplyError(f"{name} must be text, got {shorten(value)}")
    line = " ".join(value.split())
    if not line or len(line) > limit:
        raise BrokenReplyError(f"{name} must have 1 to {limit} characters, got {len(line)}")
    if hidden_letters(line):
        raise BrokenReplyError(f"{name} holds control characters: {shorten(line)}")
    return line
