"""The table that an evaluation prints, with where it came from; as text, Markdown and JSON. No torch.

Text of records, models and files is shown through `safe_text`.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, TypeAlias

from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.table import LOWER_IS_BETTER
from instructsam.evaluation.reports.plots import Curves
from instructsam.structures.safe_text import for_markdown, one_line

Clean: TypeAlias = Callable[[str], str]

_COLUMNS: tuple[tuple[str, str], ...] = (
    ("instructions", "n"),
    ("giou", "gIoU"),
    ("ciou", "cIoU"),
    ("set_giou", "set gIoU"),
    ("ap", "AP"),
    ("ap50", "AP50"),
    ("ap75", "AP75"),
    ("n_acc", "N-acc"),
    ("t_acc", "T-acc"),
    ("exact_set", "exact"),
    ("duplicates_per_image", "dup/img"),
    ("wrong_instance_share", "wrong inst."),
)
_DETAILS: tuple[tuple[str, str], ...] = (
    *_COLUMNS[1:3],
    ("set_giou", "set gIoU"),
    ("muse_giou", "MUSE gIoU"),
    ("set_ciou", "set cIoU"),
    *((f"pr{percent}", f"Pr@0.{percent // 10}") for percent in (50, 60, 70, 80, 90)),
    *_COLUMNS[4:7],
    ("ap_small", "AP small"),
    ("ap_medium", "AP medium"),
    ("ap_large", "AP large"),
    ("ap_released", "AP as released"),
    ("cgf1", "cgF1"),
    ("pm_f1", "pmF1"),
    ("il_mcc", "IL_MCC"),
    *_COLUMNS[7:10],
    ("exact_boxes", "exact by boxes"),
    *_COLUMNS[10:],
)
_NAMED = 10  # unanswered records that the text names; JSON holds all
_UNDIRECTED = ("n",)
_MIN_WIDTH = 3  # Markdown needs a dash beside the colon of a right-aligned column
_PACKAGES = ("instructsam", "torch", "transformers", "numpy", "scipy", "pillow")


@dataclass(frozen=True)
class Report:
    """Scores and where they came from.

    Attributes:
        benchmark: name of the benchmark.
        summary: the table that `metrics.summarise` made.
        provenance: mode, threshold, limit, seconds, versions, and whatever the caller added (command, model).
        notes: what the reader should know (repaired files, truncated answers).
        scores: of each instruction; not written to JSON.
        unanswered: (id, reason) of each record that the model could not take.
    """

    benchmark: str
    summary: Mapping[str, Any]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    scores: tuple[InstructionScore, ...] = field(default=(), repr=False, compare=False)
    unanswered: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "benchmark": self.benchmark,
            "summary": dict(self.summary),
            "provenance": dict(self.provenance),
            "notes": list(self.notes),
            "unanswered": [{"id": name, "reason": reason} for name, reason in self.unanswered],
        }

    def to_json(self) -> str:
        """One JSON document, indented."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_text(self) -> str:
        """Title, tables, every score with its interval, provenance, notes; for a terminal."""
        return self._parts((), one_line)

    def to_markdown(self) -> str:
        """The same as Markdown, with the precision-recall curve and the histograms in numbers; what a file holds."""
        return self._parts(Curves.of(self.scores).rows() if self.scores else (), for_markdown)

    def _parts(self, further: Sequence[Sequence[Sequence[str]]], clean: Clean) -> str:
        parts = [f"## {clean(self.benchmark)}", format_rows(table_rows(self.summary), clean)]
        details = detail_rows(self.summary["overall"], self.summary.get("intervals", {}))
        parts += [format_rows(rows, clean) for rows in (details, *further)]
        if self.unanswered:
            parts.append("\n".join(clean(line) for line in self.unanswered_lines()))
        if self.provenance:
            parts.append(
                "\n".join(f"- {clean(key)}: {plain(v, clean)}" for key, v in self.provenance.items())
            )
        parts.extend(f"Note: {clean(note)}" for note in self.notes)
        return "\n\n".join(parts)

    def unanswered_lines(self) -> list[str]:
        """How many records are unanswered, and the first of them with their reasons; nothing where all are answered."""
        if not self.unanswered:
            return []
        total = self.summary["overall"]["instructions"]
        shown = [f"- {name}: {reason}" for name, reason in self.unanswered[:_NAMED]]
        if rest := len(self.unanswered) - len(shown):
            shown.append(f"- and {rest} more; report.json names all")
        return [f"Unanswered, counted as wrong: {len(self.unanswered)} of {total}", *shown]


def format_table(summary: Mapping[str, Any]) -> str:
    """`table_rows` as one aligned table."""
    return format_rows(table_rows(summary))


def table_rows(summary: Mapping[str, Any]) -> list[list[str]]:
    """The summary as a table with its head: overall, per number of targets, per size of targets, per family.

    Shares have three decimals; '-' stands where nothing can be counted. An arrow in the head shows which way is better.
    """
    rows = [("overall", summary["overall"])]
    rows += [(f"{name} targets", entry) for name, entry in summary.get("by_targets", {}).items()]
    rows += [(f"{name} targets", entry) for name, entry in summary.get("by_size", {}).items()]
    rows += list(summary.get("by_family", {}).items())
    header = ["", *(title if title in _UNDIRECTED else f"{title} {arrow(key)}" for key, title in _COLUMNS)]
    body = [[one_line(name, 60), *(cell(entry.get(key)) for key, _ in _COLUMNS)] for name, entry in rows]
    return [header, *body]


def detail_rows(entry: Mapping[str, Any], intervals: Mapping[str, Sequence[float]]) -> list[list[str]]:
    """Every score of one entry as a table with its head, with the 95% interval where there is one."""
    rows = [["score", "value", "95% interval", "better"]]
    for key, title in _DETAILS:
        found = intervals.get(key)
        interval = "-" if found is None else f"{cell(float(found[0]))} to {cell(float(found[1]))}"
        rows.append([title, cell(entry.get(key)), interval, better(key)])
    return rows


def arrow(key: str) -> str:
    """Which way a score is better."""
    return "↓" if key in LOWER_IS_BETTER else "↑"


def better(key: str) -> str:
    """Which way a score is better, as a word."""
    return "lower" if key in LOWER_IS_BETTER else "higher"


def score_titles() -> dict[str, str]:
    """What people call each score, by its key."""
    return dict(_DETAILS)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide about scores; nothing is imported."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


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
    """A count as it is, a share with three decimals, "-" where nothing can be counted; never "-0.000"."""
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
