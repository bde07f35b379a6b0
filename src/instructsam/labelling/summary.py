"""Counts of a labelled folder, in total and per class. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from instructsam.labelling.classes import LabelClass
from instructsam.labelling.doubt import OVERLAP
from instructsam.labelling.selection import SelectedImage


@dataclass
class ClassCounts:
    """Counts of one class.

    Attributes:
        name, instruction: of the class.
        instances: that were kept.
        images: with at least one instance.
        no_target: images without one.
        low_score: instances with a low score.
        saturated, truncated, malformed: images whose answer may lack instances.
    """

    name: str
    instruction: str
    instances: int = 0
    images: int = 0
    no_target: int = 0
    low_score: int = 0
    saturated: int = 0
    truncated: int = 0
    malformed: int = 0


@dataclass
class Summary:
    """Counts of all labelled images.

    Attributes:
        classes: in order.
        threshold: the lowest score that an instance can have.
        low_score: scores below it are low.
        images: with answers.
        images_without_target: images without any instance.
        instances: that were kept.
        suppressed: duplicates that were left out.
        overlapping_classes: images in which instances of different classes cover each other.
    """

    classes: list[ClassCounts]
    threshold: float
    low_score: float
    images: int = 0
    images_without_target: int = 0
    instances: int = 0
    suppressed: int = 0
    overlapping_classes: int = 0

    @classmethod
    def of(cls, classes: Sequence[LabelClass], threshold: float, low_score: float) -> Summary:
        """No image yet."""
        return cls([ClassCounts(entry.name, entry.instruction) for entry in classes], threshold, low_score)

    def add(self, image: SelectedImage) -> None:
        """Count an image."""
        self.images += 1
        self.images_without_target += not image.rows
        self.instances += len(image.rows)
        self.suppressed += image.suppressed
        self.overlapping_classes += image.overlap >= OVERLAP
        for counts, fields in zip(self.classes, image.answers, strict=True):
            scores = [row["score"] for row in fields["instances"]]
            counts.instances += len(scores)
            counts.images += bool(scores)
            counts.no_target += not scores
            counts.low_score += sum(score < self.low_score for score in scores)
            counts.saturated += fields["status"] == "saturated"
            counts.truncated += fields["status"] == "truncated"
            counts.malformed += fields["status"] == "malformed"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)
