"""A cache of recently used values with a limit of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from instructsam.structures.checks import check_count

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True)
class CacheStatistics:
    """Counts of a cache since it was made, and its size now.

    Attributes:
        hits, misses: values that were found, and that were not.
        evictions: values removed to make room.
        entries, nbytes: held now.
    """

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    entries: int = 0
    nbytes: int = 0


class ByteCache(Generic[K, V]):
    """Values by key; the least recently used ones make room for new ones. Several threads may share one.

    Args:
        max_bytes: of all values; 0 keeps none. A value above it is not kept.

    Raises:
        InputError: max_bytes is not a whole number of at least 0.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = check_count(max_bytes, "max_bytes", low=0, high=2**63 - 1)
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = Lock()
        self._nbytes = self._hits = self._misses = self._evictions = 0

    def get(self, key: K) -> V | None:
        """The value of a key, which is now the most recently used one; None if it is not held."""
        with self._lock:
            if key not in self._entries:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def keep(self, key: K, value: V, nbytes: int) -> None:
        """Keep a value of this size, in place of an earlier one."""
        if nbytes > self.max_bytes:
            return
        with self._lock:
            self._remove(key)
            while self._nbytes + nbytes > self.max_bytes:
                self._remove(next(iter(self._entries)))
                self._evictions += 1
            self._entries[key] = value, nbytes
            self._nbytes += nbytes

    def clear(self) -> None:
        """Remove everything, for example after running out of memory; the counts stay."""
        with self._lock:
            self._entries.clear()
            self._nbytes = 0

    @property
    def statistics(self) -> CacheStatistics:
        """Counts and size."""
        with self._lock:
            return CacheStatistics(
                self._hits, self._misses, self._evictions, len(self._entries), self._nbytes
            )

    def _remove(self, key: K) -> None:
        _, nbytes = self._entries.pop(key, (None, 0))
        self._nbytes -= nbytes
