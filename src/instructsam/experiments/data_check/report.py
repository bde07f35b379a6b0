"""The result of a data check, as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instructsam.data.formats.source import left_out_lines
from instructsam.data.published import Census
from instructsam.experiments.data_check.findings import Finding
from instructsam.experiments.data_check.pictures import Picture
from instructsam.experiments.data_check.statistics import Statistics


@dataclass(frozen=True)
class DataReport:
    """Everything that was found in a source.

    Attributes:
        name: the source, as the user gave it.
        format: of the source, such as "COCO JSON".
        census: counts, omissions and missing images.
        statistics: more counts.
        findings: what to doubt.
        decoded, unreadable, first_unreadable: images that were decoded, those that could not be, and the first reason.
        notes: sentences about the source as a whole.
        pictures: records to look at.
    """

    name: str
    format: str
    census: Census
    statistics: Statistics
    findings: tuple[Finding, ...]
    decoded: int
    unreadable: int
    first_unreadable: str
    notes: tuple[str, ...]
    pictures: tuple[Picture, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether it has records and every image that was looked for is there and readable."""
        return self.census.records > 0 and self.census.absent_images == 0 and self.unreadable == 0

    def facts(self) -> list[tuple[str, str]]:
        """The counts as (name, sentence)."""
        stats, census = self.statistics, self.census
        rows = [
            ("format", self.format),
            ("images", _images(census.images, stats)),
            ("decoded images", f"{self.decoded:,}" if self.decoded else "none"),
            ("objects", ", ".join(f"{stats.known[one]:,} by {one}" for one in ("mask", "box", "point"))),
            ("targets", _targets(stats)),
            (f"length in {stats.length_unit}", _named(stats.length_quantiles)),
            ("categories", _categories(stats)),
        ]
        if stats.regions.total():
            regions = f"{stats.regions['crowds']:,} crowds, {stats.regions['ignored']:,} records with ignored pixels"
            rows.insert(4, ("ignored", regions))
        return [(name, text) for name, text in rows if text]

    def problems(self) -> Iterator[str]:
        """Sentences about images that training would stop at."""
        if self.census.absent_images:
            first = self.census.first_absent_image
            yield f"{self.census.absent_images} images are missing, such as {first}"
        if self.unreadable:
            yield f"{self.unreadable} images cannot be read, such as {self.first_unreadable}"

    def lines(self) -> Iterator[str]:
        """The report for a terminal."""
        yield f"{self.name}: {self.census.sentence()}"
        yield from (f"{name}: {text}" for name, text in self.facts())
        yield from left_out_lines(self.census.left_out, self.census.examples)
        yield from self.problems()
        yield from (f"check: {finding.line()}" for finding in self.findings)
        yield from (f"note: {note}" for note in self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; without the pictures."""
        return {
            "file": self.name,
            "format": self.format,
            **self.census.to_dict(),
            **self.statistics.to_dict(),
            "decoded_images": self.decoded,
            "unreadable_images": self.unreadable,
            "first_unreadable_image": self.first_unreadable,
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": list(self.notes),
        }


def _images(count: int, stats: Statistics) -> str:
    if stats.size_ends is None:
        return f"{count:,}"
    small, large = (f"{width} x {height}" for width, height in stats.size_ends)
    sizes = f"all {small} px" if small == large else f"{small} to {large} px"
    return f"{count:,}, {sizes}; longer side {_named(stats.size_bins)}"


def _targets(stats: Statistics) -> str:
    queries = f" (the model has {stats.limits.num_queries} queries)" if stats.limits else ""
    return (
        f"per instruction: {_named(stats.target_bins)}; at most {stats.most_in_phrase} in a phrase{queries}"
    )


def _categories(stats: Statistics) -> str:
    if not stats.categories:
        return ""
    rare = f"; rarest: {_named(dict(stats.rare_categories))}" if stats.rare_categories else ""
    return f"{len(stats.categories):,}; most frequent: {_named(dict(stats.top_categories))}{rare}"


def _named(counts: Mapping[str, int] | Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in dict(counts).items())
