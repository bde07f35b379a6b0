"""Rows and outcomes for the tests of the review."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.candidates import Candidate, CandidatePhrase, Decision, Kind, RowOutcome, State
from instructsam.engine.rows import ImageRow
from instructsam.structures.masks import encode_rle
from instructsam.visualization.palette import color_of

HEIGHT, WIDTH = 60, 80


def square(left: int, top: int, side: int = 10) -> np.ndarray:
    """A square mask of a test image."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


def make_row(name: str = "a", count: int = 4, categories: Sequence[str] = ("mug",)) -> ImageRow:
    """A row with squares in a line."""
    masks = [square(2 + 15 * (place % 5), 5 + 20 * (place // 5)) for place in range(count)]
    instances = tuple(
        InstanceRecord(rle=encode_rle(mask), category=categories[place % len(categories)])
        for place, mask in enumerate(masks)
    )
    return ImageRow(f"row-{name}", ImageRef(f"images/{name}.jpg", HEIGHT, WIDTH), instances)


def make_decision(
    row: ImageRow,
    number: int = 0,
    state: State = "review",
    phrases: Sequence[tuple[str, tuple[int, ...]]] = (("the mugs", (1, 2)),),
    kind: Kind = "category",
    instruction: str = "Segment the mugs.",
    votes: float | None = 0.5,
) -> Decision:
    """A decision of the engine about a candidate of a row."""
    parts = tuple(CandidatePhrase(text, numbers) for text, numbers in phrases)
    candidate = Candidate(f"{row.id}#{number}", kind, instruction, parts)
    return Decision(
        candidate,
        state,
        "" if state == "accepted" else "votes: 1 of 2 agree",
        {} if votes is None else {"votes": 3, "agreement": votes},
    )


def outcome(row: ImageRow, *decisions: Decision) -> tuple[ImageRow, RowOutcome]:
    """A finished row."""
    return row, RowOutcome(row.id, decisions)


class SquareImages:
    """Draws the squares of `make_row`; stands in for the images of a run."""

    def load(self, row: ImageRow) -> Image.Image:
        pixels = np.full((row.image.height, row.image.width, 3), 190, dtype=np.uint8)
        for place in range(len(row.instances)):
            pixels[square(2 + 15 * (place % 5), 5 + 20 * (place // 5))] = color_of(place)
        return Image.fromarray(pixels)

    def path(self, row: ImageRow) -> None:
        return None

    def content(self, row: ImageRow) -> bytes:
        raise NotImplementedError
