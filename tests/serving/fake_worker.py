"""A worker that computes nothing, and a service around it in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from instructsam.errors import InputError
from instructsam.images.loader import LoadedImage
from instructsam.inference.jobs import ImageJob
from instructsam.serving.batching import BatchingService, QueueSettings
from instructsam.serving.service import ServedModel
from instructsam.serving.statistics import WorkerStatistics
from tests.serving.fakes import made_prediction
from tests.serving.virtual_time import run

if TYPE_CHECKING:
    from instructsam.inference.jobs import JobResult

Batches = list[list[tuple[str, ...]]]


class FakeWorker:
    """Takes `seconds` per batch. `errors` are raised in the order of the batches, None computes one.

    Attributes:
        batches: instructions of each job of each batch.
        is_lost: its process has ended; opening a model starts another one.
        opened: how often a model was opened.
        closed: with this many seconds.
    """

    def __init__(
        self, seconds: float = 1.0, errors: Sequence[Exception | None] = (), name: str = "fake"
    ) -> None:
        self.name, self.seconds, self.errors = name, seconds, list(errors)
        self.batches: Batches = []
        self.images: list[int] = []
        self.opened = 0
        self.is_lost = False
        self.closed: float | None = None
        self.cannot_open: Exception | None = None

    async def open(self, model: str) -> ServedModel:
        await asyncio.sleep(0.4)
        self.opened += 1
        self.is_lost = False
        if self.cannot_open is not None:
            raise self.cannot_open
        return ServedModel(model, "0123", "direct", 0.3, 10)

    async def run(self, model: str, jobs: Sequence[ImageJob]) -> list[JobResult]:
        self.batches.append([job.instructions for job in jobs])
        self.images.append(len({id(job.image) for job in jobs}))
        await asyncio.sleep(self.seconds)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return [_answer(job) for job in jobs]

    def statistics(self) -> WorkerStatistics:
        return WorkerStatistics(ready=True)

    async def close(self, seconds: float) -> None:
        self.closed = seconds


def _answer(job: ImageJob) -> JobResult:
    for number, text in enumerate(job.instructions):
        if text == "bad":
            return InputError(f"instructions[{number}] cannot be used")
        if text == "poison":
            raise RuntimeError("the model failed")
    return [made_prediction(job, text) for text in job.instructions]


def job(*instructions: str, key: str = "", size: tuple[int, int] = (8, 8)) -> ImageJob:
    return ImageJob(LoadedImage(Image.new("RGB", size)), instructions, key=key)


def served(
    test: Callable[[BatchingService], Awaitable[Any]],
    *workers: FakeWorker,
    names: tuple[str, ...] = ("default",),
    **settings: Any,
) -> BatchingService:
    """Run a test with a started service; it is stopped afterwards."""

    async def main() -> BatchingService:
        service = BatchingService(names, workers, QueueSettings(**{"max_wait": 0.01, **settings}))
        await service.start()
        await asyncio.sleep(1)
        await test(service)
        await service.stop()
        return service

    return run(main())


async def outcomes(*calls: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


def texts(found: Any) -> list[str]:
    return [prediction.instruction for prediction in found]
