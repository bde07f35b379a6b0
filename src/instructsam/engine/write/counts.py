"""Counts over the rows of an export, for its card and its report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from instructsam.engine.candidates import KINDS
from instructsam.engine.write.rows import ExportRow

TARGETS = ("0", "1", "2+")


@dataclass
class ExportCounts:
    """Counts of one split, or of all.

    Attributes:
        images, objects, records, by_person: totals.
        kinds: records by kind.
        targets: records by their number of targets, one of `TARGETS`.
        rounds: records by the round in which they were accepted.
        licences, sources: images by licence and source, "" for an unknown one.
    """

    images: int = 0
    objects: int = 0
    records: int = 0
    by_person: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    rounds: Counter[int] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)

    def add(self, found: ExportRow, by_person: int) -> None:
        """Count an image and its records."""
        self.images += 1
        self.objects += len(found.row.instances)
        self.by_person += by_person
        self.licences[found.row.licence] += 1
        self.sources[found.row.source] += 1
        for decision in found.decisions:
            candidate = decision.candidate
            self.records += 1
            self.kinds[candidate.kind] += 1
            self.targets[TARGETS[min(len(candidate.numbers), 2)]] += 1
            self.rounds[candidate.round] += 1

    def to_dict(self) -> dict[str, Any]:
        """JSON values in a fixed order."""
        return {
            "images": self.images,
            "objects": self.objects,
            "records": self.records,
            "by_person": self.by_person,
            "kinds": {kind: self.kinds[kind] for kind in KINDS if self.kinds[kind]},
            "targets": {name: self.targets[name] for name in TARGETS},
            "rounds": {str(number): count for number, count in sorted(self.rounds.items())},
            "licences": dict(sorted(self.licences.items())),
            "sources": dict(sorted(self.sources.items())),
        }
