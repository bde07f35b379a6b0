"""Text of records, models and files, made safe for a terminal, a Markdown file and an HTML page. Standard library only.

Everything that a report shows and that the project did not write itself goes through one of these functions.
"""

from __future__ import annotations

import re
from html import escape

MAX_CHARACTERS = 500  # of one value in a report; JSON keeps the whole
_JOINERS = (
    "\u200c\u200d"  # needed by Persian, Hindi and emoji; they neither move the cursor nor turn text around
)
_MARKED = re.compile(r"[\\`*\[\]|~$]|(?<!\w)_|_(?!\w)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def one_line(value: object, limit: int = MAX_CHARACTERS) -> str:
    """One printable line: for the terminal.

    White space of any kind becomes one space. Control characters (ANSI escapes), bidirectional overrides and halves of
    characters become U+FFFD. Longer text is cut and ends in "...".
    """
    text = value if isinstance(value, str) else str(value)
    # Before anything walks over it: a value may hold megabytes.
    line = " ".join(text[: 8 * limit].split())
    clean = "".join(
        letter if letter.isprintable() or letter in _JOINERS else "\N{REPLACEMENT CHARACTER}"
        for letter in line
    )
    return clean if len(clean) <= limit and len(text) <= 8 * limit else clean[: limit - 3] + "..."


def for_markdown(value: object, limit: int = MAX_CHARACTERS) -> str:
    """`one_line` whose characters all stand for themselves in Markdown: no table cell, code, link or HTML begins."""
    line = _MARKED.sub(lambda found: "\\" + found[0], one_line(value, limit))
    return "".join(_ENTITIES.get(letter, letter) for letter in line)


def for_html(value: object, limit: int = MAX_CHARACTERS) -> str:
    """`one_line` for HTML and SVG, in elements and in quoted attributes."""
    return escape(one_line(value, limit))
