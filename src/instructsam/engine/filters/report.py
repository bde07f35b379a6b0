"""The report of the filters: what was dropped, where, why, with an example of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from instructsam.structures.safe_text import one_line

STAGES = ("text", "objects", "benchmark", "row", "images", "set", "balance")
"""The stages of the selection, in the order in which they are applied."""


@dataclass
class FilterReport:
    """Candidates before and after the selection, and the dropped ones by stage and reason.

    Attributes:
        candidates: accepted ones that came in.
        kept: that came out.
        dropped: by (stage, reason).
        examples: by (stage, reason): the id and the instruction of the first one.
        notes: facts that are no drops, such as images that cannot be compared.
    """

    candidates: int = 0
    kept: int = 0
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)

    def drop(self, stage: str, reason: str, example: str, count: int = 1) -> None:
        """Count dropped candidates."""
        self.dropped[stage, reason] += count
        self.examples.setdefault((stage, reason), example)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "candidates": self.candidates,
            "kept": self.kept,
            "dropped": [
                {"stage": stage, "reason": reason, "count": count, "example": self.examples[stage, reason]}
                for (stage, reason), count in self._ordered()
            ],
            "notes": dict(sorted(self.notes.items())),
        }

    def lines(self) -> list[str]:
        """For a terminal; examples are made safe for it."""
        found = [f"kept {self.kept} of {self.candidates} accepted candidates"]
        for (stage, reason), count in self._ordered():
            found.append(
                f"dropped by {stage}: {count} x {reason} (such as {one_line(self.examples[stage, reason])})"
            )
        return found + [f"{note}: {count}" for note, count in sorted(self.notes.items())]

    def _ordered(self) -> list[tuple[tuple[str, str], int]]:
        def place(entry: tuple[tuple[str, str], int]) -> tuple[int, int, str]:
            (stage, reason), count = entry
            return STAGES.index(stage), -count, reason

        return sorted(self.dropped.items(), key=place)
