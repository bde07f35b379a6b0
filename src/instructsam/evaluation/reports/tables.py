"""Tables of scores as rows of text. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from instructsam.evaluation.metrics.registry import METRICS, table_metrics
from instructsam.structures.safe_text import one_line
from instructsam.structures.tables import Clean


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
