"""Rows, candidates and outcomes for the tests of filters and balance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.candidates import Candidate, CandidatePhrase, Decision, Kind, RowOutcome
from instructsam.engine.rows import ImageRow
from instructsam.structures.masks import encode_rle

SIZE = (60, 80)
CATEGORIES = ("dog", "cat", "sheep", "mug", "chair", "zebra", "horse", "cow")


def rectangle(left: int, top: int, width: int, height: int, category: str = "dog") -> InstanceRecord:
    """An object of this rectangle of a picture of `SIZE`."""
    mask = np.zeros(SIZE, dtype=np.bool_)
    mask[top : top + height, left : left + width] = True
    return InstanceRecord(rle=encode_rle(mask), category=category)


def row(
    name: str = "a", objects: Sequence[InstanceRecord] | None = None, file: str | None = None
) -> ImageRow:
    """A row of `SIZE`, by default with one object per category."""
    if objects is None:
        objects = [
            rectangle(10 * number, 0, 9, 20, category) for number, category in enumerate(CATEGORIES[:8])
        ]
    return ImageRow(name, ImageRef(file or f"{name}.png", *SIZE), tuple(objects))


def candidate(
    instruction: str,
    numbers: tuple[int, ...] = (1,),
    phrases: Sequence[str] | None = None,
    name: str = "a#0",
    kind: Kind = "category",
) -> Candidate:
    """A candidate; every phrase means the same numbers."""
    texts = [instruction] if phrases is None else phrases
    return Candidate(name, kind, instruction, tuple(CandidatePhrase(text, numbers) for text in texts))


def outcome(name: str, *candidates: Candidate) -> RowOutcome:
    """An outcome whose candidates are all accepted."""
    return RowOutcome(name, tuple(Decision(candidate, "accepted") for candidate in candidates))
