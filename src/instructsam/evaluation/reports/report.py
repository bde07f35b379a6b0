"""The report of an evaluation: scores and their provenance, as text, Markdown and JSON. No torch.

Text of records, models and files is shown through `safe_text`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.reports.curves import Curves
from instructsam.evaluation.reports.tables import detail_rows, plain, table_rows
from instructsam.structures.safe_text import for_markdown, one_line
from instructsam.structures.tables import Clean, format_rows

_NAMED = 10  # unanswered records that the text names; JSON holds all
_PACKAGES = ("instructsam", "torch", "transformers", "numpy", "scipy", "pillow")


@dataclass(frozen=True)
class Report:
    """Scores and their provenance.

    Attributes:
        benchmark: name of the benchmark.
        summary: the table of `summarise`.
        provenance: mode, threshold, limit, seconds, versions, and whatever the caller added (command, model).
        notes: what the reader should know (repaired files, truncated answers).
        scores: of each instruction; not written to JSON.
        unanswered: (id, reason) of each record that the model could not answer.
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


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide about scores; nothing is imported."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
