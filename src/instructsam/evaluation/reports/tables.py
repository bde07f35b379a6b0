"""Tables of scores as rows of text, and rows as aligned Markdown. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from instructsam.evaluation.metrics.registry import METRICS, table_metrics
from instructsam.structures.safe_text import one_line

Clean: TypeAlias = Callable[[str], str]

_MIN_WIDTH = 3  # Markdown needs a dash beside the colon of a right-aligned column


def table_rows(summary: Mapping[str, Any]) -> list[list[str]]:
    """The summary as a table with its head: overall, per number of targets, per size of targets, per family.

    Shares have three decimals; '-' stands where a metric is undefined. An arrow in the head shows which way is better.
    """
    rows = [("overall", summary["overall"])]
    rows += [(f"{name} targets", entry) for name, entry in summary.get("by_targets", {}).items()]
    rows += [(f"{name} targets", entry) for name, entry in summary.get("by_size", {}).items()]
    rows += list(summary.get("by_family", {}).items())
    metrics = table_metrics()
    keys = ["instructions", *(metric.key for metric in metrics)]
    body = [[one_line(name, 60), *(cell(entry.get(key)) for key in keys)] for name, entry in rows]
    return [["", "n", *(metric.heading for metric in metrics)], *body]


def detail_rows(entry: Mapping[str, Any], intervals: Mapping[str, Sequence[float]]) -> list[list[str]]:
    """Every metric of one entry as a table with its head, with the 95% interval where there is one."""
    rows = [["score", "value", "95% interval", "better"]]
    for key, metric in METRICS.items():
        found = intervals.get(key)
        interval = "-" if found is None else f"{cell(float(found[0]))} to {cell(float(found[1]))}"
        rows.append([metric.title, cell(entry.get(key)), interval, metric.direction])
    return rows


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


def cell(value: float | int | None) -> str:
    """A count as it is, a share with three decimals, "-" where a metric is undefined; never "-0.000"."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{round(value, 3) + 0.0:.3f}"


def plain(value: Any, clean: Clean = one_line) -> str:
    """A fact of the provenance as one line, "-" for one that is not set."""
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return clean(", ".join(f"{key} {entry}" for key, entry in value.items()))
    return f"{value:.3f}" if isinstance(value, float) else clean(str(value))
