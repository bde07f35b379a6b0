"""The report of the balance: records before and after, by number of targets, kind and category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from instructsam.structures.safe_text import one_line

TARGETS = ("0", "1", "2+")
_SHOWN = 20  # categories

Table = Mapping[str, Mapping[str, int]]


@dataclass
class BalanceReport:
    """Records before and after.

    Attributes:
        before, after: numbers of records by "targets", "kind" and "category"; a record of several categories counts
            for each.
        notes: limits that the records cannot hold, and what was done.
    """

    before: Table = field(default_factory=dict)
    after: Table = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"before": self.before, "after": self.after, "notes": self.notes}

    def lines(self) -> list[str]:
        """For a terminal: one line per number of targets, kind, and frequent category."""
        found = []
        for name, counts in self.before.items():
            after = self.after.get(name, {})
            for value, count in list(counts.items())[:_SHOWN]:
                found.append(f"{name} {one_line(value)}: {count} -> {after.get(value, 0)}")
            if len(counts) > _SHOWN:
                found.append(f"{name}: {len(counts) - _SHOWN} more")
        return found + self.notes
