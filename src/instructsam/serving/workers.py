"""Workers: the models of one device, in a thread of the server or in a process of their own."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from instructsam.errors import InputError, InstructSAMError
from instructsam.serving.runner import ModelRunner
from instructsam.serving.service import ServedModel
from instructsam.serving.statistics import WorkerStatistics
from instructsam.serving.wire import PackedPrediction, Reply, WireError
from instructsam.serving.worker_process import serve_models

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from instructsam.inference.jobs import ImageJob, JobResult
    from instructsam.inference.segmenter import Segmenter

    Openers = Mapping[str, Callable[[], Segmenter]]

T = TypeVar("T")
JOIN_SECONDS = 5.0  # that a process gets to end by itself


class WorkerLostError(InstructSAMError):
    """The process of a worker ended; it can be started again.

    Attributes:
        began: it had received the request, which may be the reason.
    """

    def __init__(self, message: str, began: bool = True) -> None:
        super().__init__(message)
        self.began = began


class Worker(Protocol):
    """The models of one device. Computes one batch at a time."""

    name: str

    @property
    def is_lost(self) -> bool:
        """Whether its process has ended while it had nothing to do."""
        ...

    async def open(self, model: str) -> ServedModel:
        """Open a model, and start the worker if it does not run.

        Raises:
            InstructSAMError: the model cannot be opened.
            WorkerLostError: the process ended.
        """
        ...

    async def run(self, model: str, jobs: Sequence[ImageJob]) -> list[JobResult]:
        """The answers to jobs, in order.

        Raises:
            InstructSAMError: the model failed.
            WorkerLostError: the process ended.
        """
        ...

    def statistics(self) -> WorkerStatistics:
        """Counts."""
        ...

    async def close(self, seconds: float) -> None:
        """Free the models; a batch that is computed gets this much time to end."""
        ...


class ThreadWorker:
    """A worker in a thread of this process.

    Args:
        openers, cache_bytes: as in `ModelRunner`.
        name: for statistics and messages.
    """

    def __init__(self, openers: Openers, cache_bytes: int, name: str = "model") -> None:
        self.name = name
        self._runner = ModelRunner(openers, cache_bytes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    @property
    def is_lost(self) -> bool:
        return False

    async def open(self, model: str) -> ServedModel:
        return await self._call(lambda: self._runner.open(model))

    async def run(self, model: str, jobs: Sequence[ImageJob]) -> list[JobResult]:
        return await self._call(lambda: self._runner.run(model, jobs))

    def statistics(self) -> WorkerStatistics:
        return self._runner.statistics()

    async def close(self, seconds: float) -> None:
        closing = asyncio.ensure_future(self._call(self._runner.close))
        await asyncio.wait({closing}, timeout=seconds)
        self._thread.shutdown(wait=False)

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)


class ProcessWorker:
    """A worker in a process of its own.

    Args:
        openers, cache_bytes: as in `ModelRunner`; the openers are sent to the process.
        name: for statistics and messages.
    """

    def __init__(self, openers: Openers, cache_bytes: int, name: str) -> None:
        self.name = name
        self._openers, self._cache_bytes = openers, cache_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"worker {name}")
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._starts = 0
        self._statistics = WorkerStatistics()

    @property
    def process_id(self) -> int | None:
        """Of the running process."""
        return None if self._process is None else self._process.pid

    @property
    def is_lost(self) -> bool:
        return self._process is None or not self._process.is_alive()

    async def open(self, model: str) -> ServedModel:
        found = await self._ask("open", model, ())
        if not isinstance(found, ServedModel):
            raise TypeError(f"expected a ServedModel, got {type(found).__name__}")
        return found

    async def run(self, model: str, jobs: Sequence[ImageJob]) -> list[JobResult]:
        found = await self._ask("run", model, jobs)
        if not isinstance(found, list):
            raise TypeError(f"expected a list, got {type(found).__name__}")
        return [_unpacked(job, answer) for job, answer in zip(jobs, found, strict=True)]

    def statistics(self) -> WorkerStatistics:
        return replace(self._statistics, restarts=max(self._starts - 1, 0))

    async def close(self, seconds: float) -> None:
        ending = asyncio.get_running_loop().run_in_executor(self._thread, self._end)
        _, late = await asyncio.wait({ending}, timeout=seconds)
        if late and self._process is not None:
            self._process.kill()
            await ending
        self._thread.shutdown()

    async def _ask(self, action: str, model: str, jobs: Sequence[ImageJob]) -> object:
        request = (action, model, jobs)
        reply = await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, request)
        if isinstance(reply.value, WireError):
            raise reply.value.error()
        return reply.value

    def _exchange(self, request: tuple[str, str, Sequence[ImageJob]]) -> Reply:
        if self.is_lost:
            self._end()
            if request[0] == "open":
                self._start()
        if self._connection is None:
            raise WorkerLostError(f"the process of the worker {self.name} does not run", began=False)
        try:
            self._connection.send(request)
            reply: Reply = self._connection.recv()
        except (EOFError, OSError) as error:  # OSError: it ended in the middle of an answer
            self._end()
            raise WorkerLostError(f"the process of the worker {self.name} ended") from error
        self._statistics = reply.statistics
        return reply

    def _start(self) -> None:
        """Start a process; `spawn`, because torch does not survive a fork."""
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        arguments = (other, self._openers, self._cache_bytes)
        self._process = context.Process(
            target=serve_models, args=arguments, name=f"instructsam {self.name}", daemon=True
        )
        self._process.start()
        other.close()
        self._starts += 1

    def _end(self) -> None:
        """Close the connection, on which the process ends; it is killed where it does not."""
        self._statistics = WorkerStatistics()
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.join(JOIN_SECONDS)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
        self._connection = self._process = None


def _unpacked(job: ImageJob, answer: list[PackedPrediction] | WireError) -> JobResult:
    if isinstance(answer, WireError):
        error = answer.error()
        return error if isinstance(error, InputError) else InputError(str(error))
    return [packed.unpack(job.image.image) for packed in answer]
