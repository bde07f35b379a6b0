"""Rows of text as aligned Markdown, and intervals of shares. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import sqrt
from typing import TypeAlias

from instructsam.errors import InputError
from instructsam.structures.safe_text import one_line

Clean: TypeAlias = Callable[[str], str]

_MIN_WIDTH = 3  # Markdown needs a dash beside the colon of a right-aligned column
_Z = 1.959964


def format_rows(rows: Sequence[Sequence[str]], clean: Clean = one_line) -> str:
    """An aligned Markdown table; the first row is its head.

    Args:
        clean: makes a cell safe, `one_line` for a terminal and `for_markdown` for a file.
    """
    cells = [[_escape_bar(clean(cell)) for cell in row] for row in rows]
    widths = [max(_MIN_WIDTH, *(len(row[i]) for row in cells)) for i in range(len(cells[0]))]
    lines = []
    for row in cells:
        aligned = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        lines.append("| " + " | ".join(aligned) + " |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(lines)


def _escape_bar(cell: str) -> str:
    """A bar in a cell would begin the next one."""
    return re.sub(r"(?<!\\)\|", r"\\|", cell)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927).

    Raises:
        InputError: `count` is not positive.
    """
    if count < 1:
        raise InputError(f"a share needs at least one trial, got {count}")
    share, spread = hits / count, _Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
