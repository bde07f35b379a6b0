"""Micro-batching: requests of many clients share forward passes, and requests about one image its encoding.

A batch begins when a worker is idle and either enough jobs wait or the oldest one has waited `max_wait`. Idle workers
take the next batch, so the least loaded device gets it. `job_queue` states which jobs share a batch.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from instructsam.errors import InputError, InstructSAMError
from instructsam.serving.errors import BusyError, TimeLimitError, TooLargeError, UnknownModelError
from instructsam.serving.job_queue import Batch, BatchLimits, JobQueue, QueuedJob
from instructsam.serving.service import ServedModel
from instructsam.serving.statistics import Outcome, ServiceStatistics
from instructsam.serving.workers import WorkerLostError

if TYPE_CHECKING:
    from instructsam.inference.jobs import ImageJob, JobResult
    from instructsam.serving.workers import Worker
    from instructsam.structures.predictions import Prediction

MOST_LOSSES = 2  # workers that one job may lose
LONGEST_PAUSE = 30.0  # seconds between two starts of a worker that fails
CHECK_SECONDS = 1.0  # until it is noticed that an idle worker has ended
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class QueueSettings:
    """Settings of the queue.

    Attributes:
        max_wait: seconds that the oldest job waits for further ones.
        queue: jobs that wait; above it, jobs are refused.
        seconds: time limit of a job that has none of its own.
        batch: limits of one batch.
    """

    max_wait: float = 0.01
    queue: int = 128
    seconds: float = 90.0
    batch: BatchLimits = field(default_factory=BatchLimits)


@dataclass
class Throughput:
    """Instructions per second of one worker, a moving average."""

    rate: float = 0.0

    def observe(self, instructions: int, seconds: float) -> None:
        """Count a batch."""
        now = instructions / max(seconds, 1e-3)
        self.rate = now if not self.rate else 0.8 * self.rate + 0.2 * now

    def seconds_for(self, instructions: int, workers: int) -> int:
        """Until so many instructions are done, from 1 to 60."""
        if not self.rate:
            return 1
        return min(max(math.ceil(instructions / (self.rate * max(workers, 1))), 1), 60)


@dataclass
class BatchingService:
    """`Service` with a queue in front of workers.

    Args:
        names: of the models; the first is the default.
        workers: each has every model.
        settings: of the queue.
    """

    names: Sequence[str]
    workers: Sequence[Worker]
    settings: QueueSettings = field(default_factory=QueueSettings)

    def __post_init__(self) -> None:
        self._queue = JobQueue(self.settings.queue, self.settings.batch)
        self._changed = asyncio.Event()
        self._served: dict[str, ServedModel] = {}
        self._problems: dict[str, str] = {}
        self._running: list[Batch] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._throughput = Throughput()
        self._statistics = ServiceStatistics()
        self._stopping = False

    # ---- the protocol of a service

    @property
    def ready(self) -> bool:
        return not self._stopping and all(name in self._served for name in self.names)

    def models(self) -> tuple[ServedModel, ...]:
        return tuple(
            self._served.get(name, ServedModel(name, problem=self._problems.get(name, "")))
            for name in self.names
        )

    def statistics(self) -> ServiceStatistics:
        return replace(
            self._statistics,
            queued=len(self._queue),
            running=sum(len(batch.counts) for batch in self._running),
            workers={worker.name: worker.statistics() for worker in self.workers},
        )

    async def segment(
        self, job: ImageJob, model: str | None = None, seconds: float | None = None
    ) -> list[Prediction]:
        limit = self.settings.seconds if seconds is None else seconds
        queued = self._admit(job, self.names[0] if model is None else model, limit)
        self._queue.add(queued)
        self._changed.set()
        outcome: Outcome = "failed"
        try:
            found = await asyncio.wait_for(queued.answer, limit)
            outcome = "answered"
        except asyncio.TimeoutError as error:
            outcome = "expired"
            raise TimeLimitError(f"the answer did not arrive within the time limit of {limit:g} s") from error
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except InputError:
            outcome = "invalid"
            raise
        finally:
            self._queue.discard(queued)
            self._changed.set()
            self._statistics.jobs[outcome] += 1
        return found

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._serve(worker)) for worker in self.workers]

    async def stop(self, seconds: float = 30.0) -> None:
        """Refuse new jobs, finish those that wait or run within the time, free the models."""
        self._stopping = True
        end = self._now() + seconds
        while (len(self._queue) or self._running) and self._now() < end:
            self._changed.clear()
            await _within(self._changed.wait(), end - self._now())
        for queued in [*self._queue, *(queued for batch in self._running for queued in batch.counts)]:
            _fail(queued, BusyError("the server stopped before it could answer", retry_after=5))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        left = max(end - self._now(), 1.0)
        await asyncio.gather(*(worker.close(left) for worker in self.workers))

    # ---- admission

    def _admit(self, job: ImageJob, model: str, seconds: float) -> QueuedJob:
        try:
            return self._checked(job, model, seconds)
        except InstructSAMError as error:
            self._statistics.jobs["invalid" if isinstance(error, InputError) else "refused"] += 1
            raise

    def _checked(self, job: ImageJob, model: str, seconds: float) -> QueuedJob:
        if model not in self.names:
            raise UnknownModelError(f"model must be one of {', '.join(self.names)}, got {model!r:.80}")
        if self._stopping:
            raise BusyError("the server is stopping", retry_after=5)
        if model not in self._served:
            if model in self._problems:
                raise BusyError(f"the model {model} could not be loaded: the server's log has the reason", 30)
            raise BusyError(f"the model {model} is loading", retry_after=5)
        if self._queue.is_full:
            wait = self._throughput.seconds_for(self._queue.instructions, len(self.workers))
            raise BusyError(
                f"{len(self._queue)} requests wait already: try again in {wait} s, or send fewer at once",
                wait,
            )
        image = job.image.image
        phrases = 1 if job.phrases is None else len(job.phrases)
        mask_bytes = image.width * image.height * (self._served[model].num_queries or 1) * phrases
        answers = 1 if job.phrases is not None else len(job.instructions)
        most = self.settings.batch.mask_bytes
        if answers * mask_bytes > most:
            raise TooLargeError(
                f"the masks of this request could take {answers * mask_bytes / 2**30:.1f} GiB and the limit is "
                f"{most / 2**30:.1f} GiB: send a smaller image, or fewer instructions or phrases at once"
            )
        now = self._now()
        answer = asyncio.get_running_loop().create_future()
        return QueuedJob(job, model, answer, now, now + seconds, mask_bytes)

    # ---- workers

    async def _serve(self, worker: Worker) -> None:
        """Open the models of a worker and give it batches, again and again after its process was lost."""
        pause = 1.0
        while True:
            try:
                await self._open(worker)
                pause = 1.0
                while True:
                    await self._run(worker, await self._next_batch(worker))
            except WorkerLostError as error:
                _logger.warning("%s; it is started again", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _open(self, worker: Worker) -> None:
        for name in self.names:
            error = await _error_of(worker.open(name), self._served, name)
            if isinstance(error, WorkerLostError):
                raise error
            if error is not None:
                self._problems[name] = str(error)
                _logger.error("the model %s could not be loaded: %s", name, error, exc_info=error)

    async def _next_batch(self, worker: Worker) -> Batch:
        """The next batch for a worker, as soon as there is one; `WorkerLostError` if its process ends before."""
        while True:
            self._drop_expired()
            if worker.is_lost:
                raise WorkerLostError(
                    f"the process of the worker {worker.name} ended while it was idle", False
                )
            self._changed.clear()
            if not len(self._queue):
                await _within(self._changed.wait(), CHECK_SECONDS)
                continue
            wait = min(queued.arrived for queued in self._queue) + self.settings.max_wait - self._now()
            if wait > 0 and not self._stopping and not self._queue.fills_a_batch():
                await _within(self._changed.wait(), wait)
                continue
            return self._queue.take()

    def _drop_expired(self) -> None:
        now = self._now()
        for queued in [*self._queue]:
            if queued.deadline <= now:
                _fail(queued, TimeLimitError("the time limit was reached before the request's turn"))
            if queued.answer.done():
                self._queue.discard(queued)

    async def _run(self, worker: Worker, batch: Batch) -> None:
        """Compute a batch; whatever fails, its jobs get an answer or their turn again."""
        started = self._now()
        for queued in batch.counts:
            if not queued.begun:
                queued.begun = True
                self._statistics.seconds_queued.observe(started - queued.arrived)
        self._running.append(batch)
        try:
            await self._compute(worker, batch)
        finally:
            self._running.remove(batch)
            self._changed.set()
        seconds = self._now() - started
        self._throughput.observe(batch.instructions, seconds)
        self._statistics.batch_images.observe(batch.images)
        self._statistics.batch_instructions.observe(batch.instructions)
        self._statistics.seconds_computed.observe(seconds)

    async def _compute(self, worker: Worker, batch: Batch) -> None:
        computed: dict[str, list[JobResult]] = {}
        error = await _error_of(_answers(worker, batch), computed, "")
        if error is None:
            for queued, answer in zip([*batch.counts], computed[""], strict=True):
                self._take_answer(queued, answer)
        elif isinstance(error, WorkerLostError):
            self._return(batch, error.began)
            raise error
        elif len(batch.counts) > 1:  # one of them fails: each alone
            waiting = {queued: count for queued, count in batch.counts.items() if not queued.answer.done()}
            for place, (queued, count) in enumerate(waiting.items()):
                try:
                    await self._compute(worker, Batch(batch.model, {queued: count}))
                except WorkerLostError:
                    self._return(Batch(batch.model, dict([*waiting.items()][place + 1 :])), lost=False)
                    raise
        else:
            if not isinstance(error, InstructSAMError):
                _logger.error("a batch failed", exc_info=error)
            for queued in batch.counts:
                _fail(queued, error)

    def _take_answer(self, queued: QueuedJob, answer: JobResult) -> None:
        if isinstance(answer, InputError):
            _fail(queued, _renumbered(answer, len(queued.predictions)))
            return
        queued.predictions += answer
        if queued.answer.done():
            return
        if queued.left:
            self._queue.add(queued)
        else:
            queued.answer.set_result(queued.predictions)

    def _return(self, batch: Batch, lost: bool) -> None:
        """Give the jobs of a worker that does not run their turn again; once where it was lost by computing them."""
        for queued in reversed([*batch.counts]):
            queued.losses += lost
            if queued.losses >= MOST_LOSSES:
                message = "the server's worker stopped twice while it computed this request"
                _fail(queued, BusyError(message, retry_after=5))
            elif not queued.answer.done():
                self._queue.add(queued, first=True)
        self._changed.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _error_of(call: Coroutine[Any, Any, Any], results: dict[str, Any], name: str) -> Exception | None:
    """Await a call: its result goes into `results`, its error is returned whatever it is.

    A worker runs code of many libraries, and none of their errors may end the service.
    """
    found: Any = (await asyncio.gather(call, return_exceptions=True))[0]
    if isinstance(found, Exception):
        return found
    if isinstance(found, BaseException):
        raise found
    results[name] = found
    return None


async def _answers(worker: Worker, batch: Batch) -> list[JobResult]:
    """The answers of a worker, one prediction per instruction."""
    found = await worker.run(batch.model, batch.jobs())
    wanted = [*batch.counts.values()]
    if len(found) != len(wanted):
        raise RuntimeError(f"the worker {worker.name} gave {len(found)} answers to {len(wanted)} jobs")
    for answer, count in zip(found, wanted, strict=True):
        if not isinstance(answer, InputError) and len(answer) != count:
            raise RuntimeError(f"the worker {worker.name} gave {len(answer)} answers to {count} instructions")
    return found


async def _within(call: Coroutine[Any, Any, Any], seconds: float) -> None:
    """Await a call for some time. Unlike `asyncio.wait_for` of Python 3.11, it never swallows a cancellation."""
    task = asyncio.ensure_future(call)
    try:
        await asyncio.wait({task}, timeout=max(seconds, 0.0))
    finally:
        task.cancel()


def _fail(queued: QueuedJob, error: Exception) -> None:
    if not queued.answer.done():
        queued.answer.set_exception(error)


def _renumbered(error: InputError, before: int) -> InputError:
    """The error with the number of the instruction in the whole job; `before` of them were in earlier batches."""
    found = re.match(r"instructions\[(\d+)\]", str(error))
    if not before or found is None:
        return error
    return type(error)(f"instructions[{int(found[1]) + before}]{str(error)[found.end() :]}")
