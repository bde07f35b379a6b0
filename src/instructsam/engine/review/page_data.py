"""The data of a review page: what its script shows, as JSON values."""

from __future__ import annotations

from typing import Any

from instructsam.engine.review.pictures import DrawnRow
from instructsam.engine.review.queue import ReviewItem
from instructsam.engine.rows import ImageRow

REASONS = (
    "ambiguous",
    "wrong objects",
    "an object has no mask",
    "bad mask",
    "the words give the answer away",
    "unnatural wording",
    "unsuitable image",
)
"""Reasons for a rejection that the page offers; a reviewer may write another."""


def item_data(item: ReviewItem, image: int) -> dict[str, Any]:
    """An item; `image` is the index of its image on the page."""
    decision = item.decision
    return {
        "id": item.id,
        "digest": item.digest,
        "image": image,
        "cause": item.cause,
        "kind": decision.candidate.kind,
        "instruction": decision.candidate.instruction,
        "phrases": [
            {"text": phrase.text, "numbers": list(phrase.numbers)} for phrase in decision.candidate.phrases
        ],
        "round": decision.candidate.round,
        "votes": dict(decision.votes),
        "named": {str(number): share for number, share in decision.named.items()},
        "reason": decision.reason,
        "history": [dict(earlier) for earlier in decision.history],
    }


def image_data(row: ImageRow, drawn: DrawnRow, urls: tuple[str, str, str]) -> dict[str, Any]:
    """An image; `urls` are those of the overlay, the clean image and the crops."""
    marked, clean, tiles = urls
    return {
        "row": row.id,
        "file": row.image.file,
        "size": [row.image.width, row.image.height],
        "source": row.source,
        "licence": row.licence,
        "marked": marked,
        "clean": clean,
        "tiles": tiles,
        "columns": drawn.columns,
        "tile": drawn.tile,
        "grid": list(drawn.grid),
        "objects": [
            {
                "number": thing.number,
                "category": thing.category,
                "color": thing.color,
                "runs": list(thing.runs),
            }
            for thing in drawn.objects
        ],
    }
