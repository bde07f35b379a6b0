"""Lines of sayings and paraphrases that suit the words of a program and the number of objects that it means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from instructsam.world.language.sayings_table import ONE, SEVERAL, Saying, load_sayings

PARAPHRASES = "paraphrases"
HEAD_INSIDE = re.compile(r"\{(?:head|heads|single)\}(?! (?:that|which|who|where|whose)\b|[,.;:?!]| -|$)")
"""A noun with words of the line after it that would seem to belong to a long noun's own last words."""
HEAD_RELATED = re.compile(r"\{(?:head|heads|single)\} (?:that|which|who|where|whose)\b")
"""A noun with a relative clause: "the mug left of the bus that is larger than the others" may be about the bus."""


@dataclass(frozen=True)
class Need:
    """Requirements on a line.

    Attributes:
        slots: the slots for which there are words.
        one: whether it may be a line for one object only.
        several: whether it may be a line for several objects only.
        needs_count: whether it must have {count}, or a whole noun phrase.
        long_head: whether {head} has words after its noun: "mugs left of the bus".
        ranks: whether the line picks some of the objects by their rank.
    """

    slots: frozenset[str]
    one: bool
    several: bool
    needs_count: bool = False
    long_head: bool = False
    ranks: bool = False


@cache
def suiting(table: str, key: str, need: Need) -> tuple[Saying, ...]:
    """The lines of one style, or of `PARAPHRASES`, that suit."""
    numbers = {"": True, ONE: need.one, SEVERAL: need.several}
    return tuple(
        line
        for line in lines_of(table, key)
        if line.slots <= need.slots
        and numbers[line.number]
        and (not need.needs_count or line.is_whole or "count" in line.slots)
        and not (need.long_head and HEAD_INSIDE.search(line.text))
        and not (need.long_head and need.ranks and HEAD_RELATED.search(line.text))
    )


@cache
def lines_of(table: str, key: str) -> tuple[Saying, ...]:
    """All lines of a key, of one style or of `PARAPHRASES`."""
    files = load_sayings(PARAPHRASES).values() if table == PARAPHRASES else (load_sayings("sayings")[table],)
    return tuple(line for lines in files for line in lines.get(key, ()))


def filled(line: Saying, slots: dict[str, str]) -> str:
    """The line with its slots filled, words one space apart."""
    return " ".join(line.text.format_map(slots).split())
