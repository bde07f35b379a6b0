"""Counts of a service, for `/metrics`: plain numbers, whatever exports them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
Outcome: TypeAlias = Literal["answered", "invalid", "failed", "refused", "expired", "cancelled"]


@dataclass
class Histogram:
    """Values by size.

    Attributes:
        bounds: upper bounds of the buckets, ascending; one more bucket has no bound.
        counts: values in each bucket, not cumulative.
        total: sum of the values.
    """

    bounds: Sequence[float]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, int]]:
        """(upper bound, values up to it) of each bucket, the last one "+Inf", as Prometheus expects them."""
        found, count = [], 0
        for bound, more in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            count += more
            found.append((bound, count))
        return found


@dataclass(frozen=True)
class WorkerStatistics:
    """Counts of the worker of one device.

    Attributes:
        ready: its models are loaded.
        cache_hits, cache_misses, cache_evictions, cache_images, cache_bytes: of the cache of image features.
        batch_size: instructions of one forward pass at present; smaller after running out of memory.
        out_of_memory: how often that happened.
        restarts: of its process.
    """

    ready: bool = False
    cache_hits: int = 0
    cache_misses: int = 0
    cache_evictions: int = 0
    cache_images: int = 0
    cache_bytes: int = 0
    batch_size: int = 0
    out_of_memory: int = 0
    restarts: int = 0


@dataclass
class ServiceStatistics:
    """Counts of a service since it started, and its state now.

    Attributes:
        queued, running: jobs that wait, and that are computed, now.
        jobs: how jobs ended. "invalid": the job cannot be answered; "failed": an error of the server; "refused": the
            queue was full or the server not ready; "expired": the time limit; "cancelled": the client left.
        batch_images, batch_instructions: of each batch.
        seconds_queued: from the arrival of a job to its first batch.
        seconds_computed: of each batch.
        workers: by name, which is the device and, where several share it, a number.
    """

    queued: int = 0
    running: int = 0
    jobs: Counter[Outcome] = field(default_factory=Counter)
    batch_images: Histogram = field(default_factory=lambda: Histogram(SIZES))
    batch_instructions: Histogram = field(default_factory=lambda: Histogram(SIZES))
    seconds_queued: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    seconds_computed: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    workers: Mapping[str, WorkerStatistics] = field(default_factory=dict)
