"""How much an image deserves a person's look, and why. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from instructsam.labelling.selection import SelectedImage

OVERLAP = 0.5  # IoU of instances of different classes from which on an image is in doubt
LOST_STATUSES = ("malformed", "truncated", "saturated")
_WEIGHTS = {"malformed": 0.95, "truncated": 0.9, "saturated": 0.8, "no target": 0.5}


@dataclass(frozen=True)
class Doubt:
    """The doubt about one image.

    Attributes:
        amount: in [0, 1]; the images of a review are sorted by it.
        reasons: in words, the strongest first.
        low: the number of instances with a low score.
    """

    amount: float
    reasons: tuple[str, ...]
    low: int


def doubt_of(image: SelectedImage, threshold: float, low_score: float) -> Doubt:
    """The doubt about an image.

    Args:
        image: its selected answers.
        threshold: the lowest score that an instance can have.
        low_score: scores below it are low.
    """
    found: list[tuple[float, str]] = []
    statuses = {str(fields["status"]) for fields in image.answers}
    found += [(_WEIGHTS[status], status) for status in LOST_STATUSES if status in statuses]
    low = [row.score for row in image.rows if row.score < low_score]
    if low:
        span = max(low_score - threshold, 1e-6)
        nearness = min(1.0, max(0.0, (low_score - min(low)) / span))
        found.append((0.3 + 0.4 * nearness, f"low score {min(low):.2f}"))
    if image.overlap >= OVERLAP:
        found.append((0.6 * image.overlap, f"classes overlap, IoU {image.overlap:.2f}"))
    if not image.rows:
        found.append((_WEIGHTS["no target"], "no target"))
    sure = 1.0
    for weight, _ in found:
        sure *= 1 - weight
    return Doubt(1 - sure, tuple(text for _, text in sorted(found, reverse=True)), len(low))
