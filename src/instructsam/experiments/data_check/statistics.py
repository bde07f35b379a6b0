"""Counts over the records of a source, one after the other; memory does not grow with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from instructsam.data.record import Record
from instructsam.experiments.data_check.limits import ModelLimits

Size = tuple[int, int]
TOP = 10  # categories that are listed at either end
_LONG_SIDES = (256, 512, 1024, 2048, 4096)  # px, upper ends of the bins of image sizes


@dataclass
class Statistics:
    """Counts of everything that was added.

    Attributes:
        known: objects by what is known of them.
        regions: crowd regions and records with ignored pixels.
        targets: records by their number of targets.
        most_in_phrase: the most objects of one phrase.
        sizes: images by (width, height).
        lengths: instructions by length, in tokens of a model or else in words.
        categories: objects by category, for those that have one.
    """

    limits: ModelLimits | None = None
    known: Counter[str] = field(default_factory=Counter)
    regions: Counter[str] = field(default_factory=Counter)
    targets: Counter[int] = field(default_factory=Counter)
    most_in_phrase: int = 0
    sizes: Counter[Size] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record) -> None:
        """Count one more record."""
        for phrase in record.phrases:
            self.most_in_phrase = max(self.most_in_phrase, len(phrase.instances))
            for thing in phrase.instances:
                self.known[thing.known] += 1
                if thing.category:
                    self.categories[thing.category] += 1
        self.regions.update(crowds=len(record.crowds), ignored=int(record.ignore is not None))
        self.targets[sum(len(phrase.instances) for phrase in record.phrases)] += 1
        text = record.instruction
        self.lengths[self.limits.count_tokens(text) if self.limits else len(text.split())] += 1

    def add_image(self, width: int, height: int) -> None:
        """Count one more image."""
        self.sizes[width, height] += 1

    @property
    def target_bins(self) -> dict[str, int]:
        """Records without a target, with one, and with more."""
        none, one = self.targets[0], self.targets[1]
        return {"0": none, "1": one, "2 or more": self.targets.total() - none - one}

    @property
    def size_bins(self) -> dict[str, int]:
        """Images by their longer side, without empty bins at the ends."""
        bins = dict.fromkeys([*(f"up to {side} px" for side in _LONG_SIDES), f"over {_LONG_SIDES[-1]} px"], 0)
        names = list(bins)
        for size, count in self.sizes.items():
            bins[names[sum(max(size) > side for side in _LONG_SIDES)]] += count
        filled = [number for number, name in enumerate(names) if bins[name]]
        return {name: bins[name] for name in names[min(filled) : max(filled) + 1]} if filled else {}

    @property
    def size_ends(self) -> tuple[Size, Size] | None:
        """The images with the fewest and the most pixels as (width, height); None without images."""
        by_area = sorted(self.sizes, key=lambda size: (size[0] * size[1], size))
        return (by_area[0], by_area[-1]) if by_area else None

    @property
    def length_quantiles(self) -> dict[str, int]:
        """The shortest, median, 95th percentile and longest instruction; empty without any."""
        if not self.lengths:
            return {}
        shares = {"shortest": 0.0, "median": 0.5, "95%": 0.95, "longest": 1.0}
        return {name: quantile(self.lengths, share) for name, share in shares.items()}

    @property
    def top_categories(self) -> list[tuple[str, int]]:
        """The most frequent ones."""
        return self.categories.most_common(TOP)

    @property
    def rare_categories(self) -> list[tuple[str, int]]:
        """The least frequent ones, the rarest first, without those that `top_categories` lists."""
        return self.categories.most_common()[TOP:][-TOP:][::-1]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "known": {name: self.known[name] for name in ("mask", "box", "point")},
            "regions": dict(self.regions),
            "targets": {str(number): self.targets[number] for number in sorted(self.targets)},
            "most_targets_in_a_phrase": self.most_in_phrase,
            "long_sides": self.size_bins,
            "smallest_and_largest": self.size_ends,
            "instruction_length": {"unit": self.length_unit, **self.length_quantiles},
            "categories": dict(self.categories.most_common()),
        }

    @property
    def length_unit(self) -> str:
        """The unit of `lengths`."""
        return "tokens" if self.limits else "words"


def quantile(counts: Mapping[int, int], share: float) -> int:
    """The smallest value that at least this share of all values do not exceed."""
    needed = share * sum(counts.values())
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= needed:
            return value
    raise ValueError("counts must not be empty")
