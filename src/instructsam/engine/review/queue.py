"""The queue of candidates that people review."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from instructsam.engine.candidates import Decision, RowOutcome
from instructsam.engine.review.decisions import HumanDecision, review_digest
from instructsam.engine.rows import ImageRow

Cause = Literal["review", "quality", "rejected"]
"""Why a candidate is in the queue: the engine gave up, it is a sample of accepted ones, or it was rejected."""


@dataclass(frozen=True)
class ReviewItem:
    """A candidate for review, with its image and the objects that its numbers count."""

    row: ImageRow
    decision: Decision
    cause: Cause

    @property
    def id(self) -> str:
        """The candidate's id."""
        return self.decision.candidate.id

    @property
    def digest(self) -> str:
        """See `review_digest`."""
        return review_digest(self.row, self.decision.candidate)

    @property
    def doubt(self) -> float:
        """1 less the mean result of its checks; 1 without checks."""
        results = [share for name, share in self.decision.votes.items() if name != "votes"]
        return 1.0 - sum(results) / len(results) if results else 1.0


def review_queue(
    finished: Iterable[tuple[ImageRow, RowOutcome]],
    sample: int = 0,
    rejected: bool = False,
    decisions: Mapping[str, HumanDecision] | None = None,
) -> list[ReviewItem]:
    """The queue: the items of an image follow each other, the most doubtful image and item first.

    Args:
        finished: rows with their outcomes, read once.
        sample: accepted candidates to add for quality control, chosen by a hash of their ids.
        rejected: whether all rejected ones are added.
        decisions: of people, by candidate: what they accepted or rejected, and has not changed since, is left out. The
            sample stays the same.
    """
    items: list[ReviewItem] = []
    # The largest hashes leave; the counter keeps items with equal hashes from being compared.
    chosen: list[tuple[int, int, ReviewItem]] = []
    for order, item in enumerate(_items(finished)):
        if item.cause == "quality":
            if sample > 0:
                heapq.heappush(chosen, (-_hash(item.id), -order, item))
                if len(chosen) > sample:
                    heapq.heappop(chosen)
        elif item.cause == "review" or rejected:
            items.append(item)
    items += [item for _, _, item in chosen]
    items = [item for item in items if not _is_decided(item, (decisions or {}).get(item.id))]
    most: dict[str, float] = {}
    for item in items:
        most[item.row.id] = max(item.doubt, most.get(item.row.id, 0.0))
    return sorted(items, key=lambda item: (-most[item.row.id], item.row.id, -item.doubt, item.id))


def _items(finished: Iterable[tuple[ImageRow, RowOutcome]]) -> Iterator[ReviewItem]:
    causes: dict[str, Cause] = {"review": "review", "accepted": "quality", "rejected": "rejected"}
    for row, outcome in finished:
        row = outcome.with_objects(row)
        for decision in outcome.decisions:
            yield ReviewItem(row, decision, causes[decision.state])


def _is_decided(item: ReviewItem, human: HumanDecision | None) -> bool:
    return human is not None and human.action != "skip" and human.digest == item.digest


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
