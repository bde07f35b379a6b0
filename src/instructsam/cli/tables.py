"""Tables of scores on stdout."""

from __future__ import annotations

import sys
from typing import Any, Protocol

from instructsam.cli import console

UNANSWERED_CODE = 1  # as of `segment` with an unreadable image: the rest is done
_PLAIN = str.maketrans({"↑": "^", "↓": "v"})


class Scored(Protocol):
    """A result of a command that scores."""

    @property
    def unanswered(self) -> int:
        """Records that the model could not answer."""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""

    def to_text(self) -> str:
        """A table."""


def show(found: Scored, as_json: bool) -> int:
    """Print a result; the exit code."""
    if as_json:
        console.print_json(found.to_dict())
    else:
        print_table(found.to_text())
    return UNANSWERED_CODE if found.unanswered else 0


def print_table(text: str) -> None:
    """Print a report; where the encoding of stdout lacks its arrows, `^` and `v` stand for them."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    print(text)
