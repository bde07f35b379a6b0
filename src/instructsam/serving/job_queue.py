"""The queue of a service: which waiting jobs share the next batch. Pure bookkeeping, without clock and tasks.

Fairness. The oldest job is in every batch, so none starves. A job takes at most half of a batch's instructions while
others wait; its other instructions queue again, behind the jobs that arrived meanwhile. Jobs about an image of the
batch join it before their turn, since they need no vision encoder; they take no place from an older job.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instructsam.images.loader import LoadedImage
    from instructsam.inference.jobs import ImageJob
    from instructsam.structures.predictions import Prediction


@dataclass(eq=False)
class QueuedJob:
    """A job, and its answers so far.

    Attributes:
        job: of the request.
        model: its name.
        answer: what the request waits for.
        arrived, deadline: on the clock of the event loop.
        mask_bytes: that one instruction's answer can take.
        predictions: of the instructions that are done.
        begun: some of it has been in a batch.
        losses: workers that were lost while they computed it.
    """

    job: ImageJob
    model: str
    answer: Future[list[Prediction]]
    arrived: float
    deadline: float
    mask_bytes: int = 0
    predictions: list[Prediction] = field(default_factory=list)
    begun: bool = False
    losses: int = 0

    @property
    def left(self) -> int:
        """Instructions without an answer; given phrases count as one, whatever their number."""
        total = 1 if self.job.phrases is not None else len(self.job.instructions)
        return max(total - len(self.predictions), 0)

    @property
    def image(self) -> object:
        """Equal for jobs that share features."""
        return self.job.key or id(self)

    def part(self, count: int) -> ImageJob:
        """The job with its next instructions alone."""
        if self.job.phrases is not None:
            return self.job
        done = len(self.predictions)
        return replace(self.job, instructions=self.job.instructions[done : done + count])


@dataclass(frozen=True)
class BatchLimits:
    """Limits of one batch.

    Attributes:
        images: that differ.
        instructions: of all its jobs.
        mask_bytes: that all answers can take; a single instruction is always allowed.
    """

    images: int = 8
    instructions: int = 16
    mask_bytes: int = 4 * 2**30

    @property
    def share(self) -> int:
        """Instructions of one job while others wait."""
        return max(self.instructions // 2, 1)


@dataclass
class Batch:
    """Jobs about one model's images, each with a number of its next instructions."""

    model: str
    counts: dict[QueuedJob, int] = field(default_factory=dict)

    def jobs(self) -> list[ImageJob]:
        """The jobs that a worker computes."""
        images: dict[object, LoadedImage] = {}  # the same object for jobs about the same image
        found = []
        for queued, count in self.counts.items():
            image = images.setdefault(queued.image, queued.job.image)
            found.append(replace(queued.part(count), image=image))
        return found

    @property
    def images(self) -> int:
        """That differ."""
        return len({queued.image for queued in self.counts})

    @property
    def instructions(self) -> int:
        """Of all jobs."""
        return sum(self.counts.values())

    @property
    def mask_bytes(self) -> int:
        """That all answers can take."""
        return sum(queued.mask_bytes * count for queued, count in self.counts.items())


class JobQueue:
    """Jobs in the order of their turn.

    Args:
        most: jobs that may wait.
        limits: of one batch.
    """

    def __init__(self, most: int, limits: BatchLimits) -> None:
        self.most, self.limits = most, limits
        self._jobs: list[QueuedJob] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[QueuedJob]:
        return iter(self._jobs)

    @property
    def is_full(self) -> bool:
        """Whether a new job must be refused."""
        return len(self._jobs) >= self.most

    @property
    def instructions(self) -> int:
        """Of all waiting jobs."""
        return sum(queued.left for queued in self._jobs)

    def add(self, queued: QueuedJob, first: bool = False) -> None:
        """A job at the end, or in front of all others."""
        self._jobs.insert(0 if first else len(self._jobs), queued)

    def discard(self, queued: QueuedJob) -> None:
        """Remove a job, if it waits."""
        if queued in self._jobs:
            self._jobs.remove(queued)

    def fills_a_batch(self) -> bool:
        """Whether a batch from the oldest job on is full."""
        batch = self._choose()
        return batch.images >= self.limits.images or batch.instructions >= self.limits.instructions

    def take(self) -> Batch:
        """The next batch; its jobs no longer wait. There must be a job."""
        batch = self._choose()
        self._jobs = [queued for queued in self._jobs if queued not in batch.counts]
        return batch

    def _choose(self) -> Batch:
        batch = Batch(self._jobs[0].model)
        images: set[object] = set()
        for queued in self._jobs:
            fits = queued.image in images or len(images) < self.limits.images
            if queued.model == batch.model and fits:
                self._extend(batch, queued, self.limits.share)
                images |= {queued.image} & {other.image for other in batch.counts}
        for queued in [*batch.counts]:  # room that nobody else takes
            self._extend(batch, queued, queued.left - batch.counts[queued])
        return batch

    def _extend(self, batch: Batch, queued: QueuedJob, most: int) -> None:
        """Give a job up to `most` more instructions of a batch, as far as the limits allow."""
        done = batch.counts.get(queued, 0)
        count = min(queued.left - done, most, self.limits.instructions - batch.instructions)
        if queued.mask_bytes:
            count = min(count, (self.limits.mask_bytes - batch.mask_bytes) // queued.mask_bytes)
        if not batch.counts:
            count = max(count, 1)
        if count > 0:
            batch.counts[queued] = done + count
