"""Text of records, models and files, made safe for a terminal and a Markdown file. Standard library only.

Everything that a report shows and that the project did not write itself goes through one of these functions. The
template of the HTML report escapes what `one_line` returns.
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 500  # of one value in a report; JSON keeps the whole
# Needed by Persian, Hindi and emoji; they neither move the cursor nor change the direction of text.
_JOINERS = "\u200c\u200d"
_MARKED = re.compile(r"[\\`*\[\]|~$]|(?<!\w)_|_(?!\w)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def one_line(value: object, limit: int | None = MAX_CHARACTERS) -> str:
    """One printable line: for the terminal.

    White space of any kind becomes one space. Control characters (ANSI escapes), bidirectional overrides and halves of
    characters become U+FFFD. Longer text is cut and ends in "..."; `limit` None: it is not.
    """
    text = value if isinstance(value, str) else str(value)
    if limit is None:
        limit = len(text)
    line = " ".join(text[: 8 * limit].split())  # cut first: a value may hold megabytes
    clean = "".join(
        letter if letter.isprintable() or letter in _JOINERS else "\N{REPLACEMENT CHARACTER}"
        for letter in line
    )
    return clean if len(clean) <= limit and len(text) <= 8 * limit else clean[: limit - 3] + "..."


def hidden_letters(text: str) -> str:
    """The letters of a text that cannot be seen, such as control characters and bidirectional overrides."""
    return "".join(letter for letter in text if not (letter.isprintable() or letter in _JOINERS))


def for_markdown(value: object, limit: int = MAX_CHARACTERS) -> str:
    """`one_line`, escaped for Markdown: no table cell, code, link or HTML begins."""
    line = _MARKED.sub(lambda found: "\\" + found[0], one_line(value, limit))
    return "".join(_ENTITIES.get(letter, letter) for letter in line)
