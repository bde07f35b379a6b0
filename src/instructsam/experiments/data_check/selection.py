"""A fixed number of items out of a stream of any length, the same ones every time."""

from __future__ import annotations

import hashlib
import heapq
from typing import Generic, TypeVar

T = TypeVar("T")


def digest_of(*texts: str) -> int:
    """A number of 64 bits that is the same on every machine."""
    joined = "\0".join(texts).encode("utf-8", errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest(), "big")


class Selection(Generic[T]):
    """The items with the smallest digests: a random sample of the stream, but the same one every time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._heap: list[tuple[int, int, T]] = []  # the largest digest first
        self._added = 0

    def add(self, digest: int, item: T) -> None:
        """Offer an item; it stays only if its digest is among the smallest."""
        self._added += 1
        entry = (-digest, self._added, item)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, entry)
        elif -digest > self._heap[0][0]:
            heapq.heapreplace(self._heap, entry)

    def items(self) -> list[T]:
        """The chosen items, by their digests."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: -entry[0])]
