"""The runner in this process: many rows at a time, with asyncio and threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from instructsam.engine.candidates import RowOutcome
from instructsam.engine.flow import Flow, process_row
from instructsam.engine.ledger.store import PartStore
from instructsam.engine.rows import ImageRow
from instructsam.engine.runners.interrupts import interrupts
from instructsam.engine.runners.outcomes import find_outcome, outcome_fingerprint, outcome_part
from instructsam.engine.runners.perform import Performer, TaskFailedError
from instructsam.engine.runners.progress import Counts, Progress, RunReport
from instructsam.engine.runners.server import ServedResponder
from instructsam.engine.runners.spending import SpendingLog
from instructsam.engine.runners.stop import RunStoppedError, Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import Pictures, Responder, Stage
from instructsam.engine.tasks import Part, Task

T = TypeVar("T")
Process: TypeAlias = Callable[[ImageRow, EngineConfig], Flow]
_SPARE_ROWS = 4  # that wait for their last calls, while others have calls to make


def run_local(
    rows: Iterable[ImageRow],
    config: EngineConfig,
    stages: Mapping[str, Stage],
    responders: Mapping[str, Responder],
    pictures: Pictures,
    ledger: PartStore,
    *,
    stop: Stop,
    note: Callable[[str], None],
    **options: Any,
) -> RunReport:
    """`run_rows` in an event loop of its own, in the main thread of a command.

    It checks first that the servers have the configured models, and closes the connections at the end. The first
    Ctrl-C stops cleanly.

    Args:
        note: receives sentences for the user.
        options: of `run_rows`.

    Raises:
        ServiceError: a server is unreachable, or has no such model.
        KeyboardInterrupt: a second Ctrl-C.
    """

    async def run() -> RunReport:
        with interrupts(stop, note):
            try:
                await check_servers(responders)
                return await run_rows(
                    rows, config, stages, responders, pictures, ledger, stop=stop, **options
                )
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None
            finally:
                for responder in served(responders):
                    await responder.close()

    return asyncio.run(run())


def served(responders: Mapping[str, Responder]) -> list[ServedResponder]:
    """The responders behind servers, each once."""
    return list(
        {id(item): item for item in responders.values() if isinstance(item, ServedResponder)}.values()
    )


async def check_servers(responders: Mapping[str, Responder]) -> None:
    """Check before a run that the servers have the configured models.

    Raises:
        ServiceError: a server is unreachable, or has no such model.
    """
    for responder in served(responders):
        await responder.check()


async def run_rows(
    rows: Iterable[ImageRow],
    config: EngineConfig,
    stages: Mapping[str, Stage],
    responders: Mapping[str, Responder],
    pictures: Pictures,
    ledger: PartStore,
    *,
    stop: Stop | None = None,
    spending: SpendingLog | None = None,
    total: int | None = None,
    limit: int = 0,
    max_minutes: float = 0.0,
    progress: Callable[[Progress], None] | None = None,
    process: Process = process_row,
) -> RunReport:
    """Perform the tasks of all rows that the ledger does not hold.

    A row that fails (a damaged image, a server that gives up) is reported and does not stop the others; the next run
    tries it again. Memory does not grow with the number of rows.

    Args:
        rows: in the order of the run; read as they are needed.
        stages: by name, see `stages.table.build_stages`.
        responders: by the name of their stage; local stages need none.
        pictures: of the rows.
        ledger: receives every part at once, and the outcome of every finished row.
        stop: the same one as that of the responders.
        spending: of the responders, for the cost in the progress.
        total: number of rows, for the progress.
        limit: number of unfinished rows to try; 0 for all.
        max_minutes: the run stops cleanly after this time; 0 for no limit.
        progress: called after every row.
        process: the flow of a row; the audit has another one.

    Raises:
        InputError: the ledger cannot be written, say; calls in flight finish before.
    """
    stop = stop or Stop()
    with _threads() as (threads, model_thread), _timer(max_minutes, stop):
        performer = Performer(config, stages, responders, pictures, ledger, stop, threads, model_thread)
        counts = Counts(total, spending)
        run = _Run(
            config, performer, ledger, outcome_fingerprint(config, stages), stop, counts, progress, process
        )
        queue = _Queue(iter(rows), limit or None)
        await gather([run.work(queue) for _ in range(_window(config))])
        return counts.report(performer.usage, stop.reason)


@dataclass
class _Queue:
    """The rows that are not begun; `remaining` of those without an outcome may be tried, None for all."""

    rows: Iterator[ImageRow]
    remaining: int | None

    def take(self) -> bool:
        """Whether one more row may be tried."""
        if self.remaining is None:
            return True
        self.remaining -= 1
        return self.remaining >= 0


@dataclass(frozen=True)
class _Run:
    """The state that the workers of a run share."""

    config: EngineConfig
    performer: Performer
    ledger: PartStore
    fingerprint: str
    stop: Stop
    counts: Counts
    report: Callable[[Progress], None] | None
    process: Process

    async def work(self, queue: _Queue) -> None:
        """Process rows until there are no more, or the run stops."""
        with ExitStack() as on_error:
            on_error.callback(self.stop.request, "the run failed")
            with suppress(RunStoppedError):
                await self._work(queue)
            on_error.pop_all()

    async def _work(self, queue: _Queue) -> None:
        for row in queue.rows:
            found = find_outcome(row, self.fingerprint, self.ledger)
            if found is not None:
                self.counts.finished(found, resumed=True)
                await asyncio.sleep(0)
            elif queue.take():
                await self._process(row)
            else:
                return
            if self.report is not None:
                self.report(self.counts.progress(self.performer.usage))
            self.stop.check()

    async def _process(self, row: ImageRow) -> None:
        try:
            outcome = await self._outcome(row)
        except TaskFailedError as error:
            self.counts.failed(row.id, str(error))
            return
        self.ledger.append(outcome_part(row, self.fingerprint, outcome))
        self.counts.finished(outcome)

    async def _outcome(self, row: ImageRow) -> RowOutcome:
        flow = self.process(row, self.config)
        try:
            tasks = next(flow)
            while True:
                tasks = flow.send(await self._perform(tasks))
        except StopIteration as end:
            outcome: RowOutcome = end.value
            return outcome

    async def _perform(self, tasks: Sequence[Task]) -> list[Part]:
        if len(tasks) == 1:
            return [await self.performer.perform(tasks[0])]
        return await gather([self.performer.perform(task) for task in tasks])


async def gather(coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of coroutines that run side by side. All finish before the gravest error, if any, is raised."""
    results = await asyncio.gather(*coroutines, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise min(
            errors,
            key=lambda error: isinstance(error, RunStoppedError) + 2 * isinstance(error, TaskFailedError),
        )
    return [result for result in results if not isinstance(result, BaseException)]


def _window(config: EngineConfig) -> int:
    """Rows at a time: as many as can each have a call in flight, and some more."""
    verifier = 0 if config.verifier is None else config.verifier.concurrency
    return config.vlm.concurrency + verifier + _SPARE_ROWS


@contextmanager
def _threads() -> Iterator[tuple[ThreadPoolExecutor, ThreadPoolExecutor]]:
    """Threads for pictures and text, which are those of the event loop too, and one for local models."""
    threads = ThreadPoolExecutor(max(2, os.cpu_count() or 1), "engine")
    model_thread = ThreadPoolExecutor(1, "engine-model")
    asyncio.get_running_loop().set_default_executor(threads)
    try:
        yield threads, model_thread
    finally:
        for pool in (threads, model_thread):
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _timer(minutes: float, stop: Stop) -> Iterator[None]:
    """Stops the run after this time; 0 for never."""
    reason = f"the time limit of {minutes:g} minutes is reached: run again to resume"
    handle = asyncio.get_running_loop().call_later(minutes * 60, stop.request, reason) if minutes else None
    try:
        yield
    finally:
        if handle is not None:
            handle.cancel()
