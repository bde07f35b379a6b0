"""Templates, and the notation in which the tables of this package are written."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter


@dataclass(frozen=True)
class Template:
    """One template; its text is its name in records."""

    style: str
    text: str
    held_out: bool
    slots: frozenset[str]


def table(rows: str, held_out_rows: str) -> tuple[Template, ...]:
    """The templates of two blocks of lines "style text"; those of the second are kept from training.

    White space within a line counts as one space, so that a long line may be continued with a backslash.
    """
    return _parsed(rows, held_out=False) + _parsed(held_out_rows, held_out=True)


def _parsed(rows: str, held_out: bool) -> tuple[Template, ...]:
    found = []
    for line in rows.strip().splitlines():
        style, *words = line.split()
        text = " ".join(words)
        slots = frozenset(name for _, name, _, _ in Formatter().parse(text) if name)
        found.append(Template(style, text, held_out, slots))
    return tuple(found)
