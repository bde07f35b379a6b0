"""The report of a selection: filters, balance and splits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from instructsam.engine.balance_report import BalanceReport
from instructsam.engine.filters.report import FilterReport


@dataclass
class SelectionReport:
    """Dropped and kept candidates of a selection; complete when the last one has been yielded.

    Attributes:
        filters: dropped candidates by stage and reason, those of the balance, too.
        balance: records before and after the balance.
        images: of the candidates, and the groups of near-duplicates with more than one image.
        splits: records by split.
        split_images: images with records, by split.
    """

    filters: FilterReport = field(default_factory=FilterReport)
    balance: BalanceReport = field(default_factory=BalanceReport)
    images: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    split_images: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "filters": self.filters.to_dict(),
            "balance": self.balance.to_dict(),
            "images": dict(self.images),
            "splits": {
                name: {"records": count, "images": self.split_images[name]}
                for name, count in sorted(self.splits.items())
            },
        }

    def lines(self) -> list[str]:
        """For a terminal; the report of the written files has the splits."""
        found = self.filters.lines() + self.balance.lines()
        return found + [f"{name}: {count}" for name, count in self.images.items()]
