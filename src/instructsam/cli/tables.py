"""Tables of scores on stdout."""

from __future__ import annotations

import sys

_PLAIN = str.maketrans({"↑": "^", "↓": "v"})


def print_table(text: str) -> None:
    """Print a report; where the encoding of stdout lacks its arrows, `^` and `v` stand for them."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    print(text)
