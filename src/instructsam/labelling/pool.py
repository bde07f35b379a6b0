"""Workers on several devices, one process each: answers in order, and batches of a dead worker are computed again.

A batch goes to the model as a whole, so that an answer does not depend on when a process died. When two workers died
with a batch, its pictures are tried one at a time: one that ends its process again is reported, and the others are
computed together.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Literal

from instructsam.errors import InstructSAMError
from instructsam.labelling.answerer import Answerer
from instructsam.labelling.pictures import Batch, BatchAnswers, PictureAnswers
from instructsam.labelling.worker import STARTED, serve

BATCHES_AHEAD = 2  # of a worker: one is answered, one is decoded
WINDOW = 4  # batches per worker that may wait for an earlier one
DEATHS_OF_WORK = 2  # before the pictures of a batch are tried one at a time, or a picture is reported
DEATHS_IN_A_ROW = 8  # without an answer between them, before the run stops
_PATIENCE = 10.0  # seconds for a process to end


@dataclass
class _Work:
    """Pictures of a batch that a worker computes together.

    Attributes:
        batch: the batch.
        places: of the pictures in it.
        stage: "batch", then "probe" (one picture), then "rest" (without the pictures that ended their process).
        deaths: of workers that had it.
    """

    batch: Batch
    places: tuple[int, ...]
    stage: Literal["batch", "probe", "rest"] = "batch"
    deaths: int = 0

    @property
    def part(self) -> Batch:
        return self.batch.only(self.places)


@dataclass
class _Pending:
    """A batch whose pictures are not all answered; `probed` are answers that count only if nothing better comes."""

    batch: Batch
    found: dict[int, PictureAnswers] = field(default_factory=dict)
    probed: dict[int, PictureAnswers] = field(default_factory=dict)
    header: dict[str, object] | None = None

    @property
    def complete(self) -> bool:
        return len(self.found) == len(self.batch.pictures)

    def answers(self) -> BatchAnswers:
        found = tuple(self.found[place] for place in range(len(self.batch.pictures)))
        return BatchAnswers(self.batch, found, self.header)

    def rest(self) -> list[_Work]:
        """The work that is left once all pictures were tried."""
        if not self.probed or len(self.found) + len(self.probed) < len(self.batch.pictures):
            return []
        return [_Work(self.batch, tuple(sorted(self.probed)), "rest")]


class _Worker:
    """One process and its work."""

    def __init__(self, answerer: Answerer, number: int) -> None:
        self.answerer, self.number = answerer, number
        self.work: deque[_Work] = deque()
        self.started = False
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=serve, args=(other, self.answerer), daemon=True, name=f"label-{self.number}"
        )
        try:
            self.process.start()
        finally:
            other.close()

    def send(self, work: _Work) -> None:
        self.work.append(work)
        self.connection.send(work.part)

    def has_room(self, work: _Work) -> bool:
        """Whether work can be sent: work that has seen a death gets a worker of its own."""
        alone = any(one.deaths or one.stage != "batch" for one in (work, *self.work))
        return len(self.work) < (1 if alone else BATCHES_AHEAD)

    def stop(self) -> None:
        self.connection.close()
        if self.process.is_alive():
            self.process.terminate()
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def cause(self) -> str:
        """Why the process ended, in words."""
        self.process.join(_PATIENCE)
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"killed by signal {-code} ({signal.Signals(-code).name})"
        return f"exit code {code}"


class WorkerPool:
    """A context manager; leaving it ends all processes.

    Args:
        answerers: one per process.
    """

    def __init__(self, answerers: Sequence[Answerer]) -> None:
        self._answerers = answerers
        self._workers: list[_Worker] = []
        self._waiting: deque[_Work] = deque()
        self._pending: dict[int, _Pending] = {}
        self._deaths = 0

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers.clear()

    @property
    def processes(self) -> tuple[int, ...]:
        """The ids of the running processes."""
        return tuple(worker.process.pid for worker in self._workers if worker.process.pid is not None)

    def run(self, batches: Iterable[Batch]) -> Iterator[BatchAnswers]:
        """The answers to batches, in order; a bounded number of batches is in memory.

        Raises:
            InstructSAMError: the model cannot be opened, an instruction cannot be used, or workers keep dying.
        """
        source, exhausted = iter(batches), False
        while True:
            while not exhausted and len(self._pending) < WINDOW * len(self._answerers):
                batch = next(source, None)
                exhausted = batch is None
                if batch is not None:
                    self._pending[batch.index] = _Pending(batch)
                    self._waiting.append(_Work(batch, tuple(range(len(batch.pictures)))))
                self._dispatch()
            while self._pending and (first := next(iter(self._pending.values()))).complete:
                del self._pending[first.batch.index]
                yield first.answers()
            if exhausted and not self._pending:
                return
            if exhausted or len(self._pending) >= WINDOW * len(self._answerers):
                self._dispatch()
                self._receive()

    def _dispatch(self) -> None:
        """Send waiting work to workers with room; the first work starts the processes, as many as there is work."""
        while self._waiting:
            work = self._waiting[0]
            free = [worker for worker in self._workers if worker.has_room(work)]
            idle = [worker for worker in free if not worker.work]
            if not idle and len(self._workers) < len(self._answerers):
                number = len(self._workers)
                idle = [_Worker(self._answerers[number], number)]
                self._workers.append(idle[0])
            chosen = (idle or sorted(free, key=lambda worker: len(worker.work)))[:1]
            if not chosen:
                return
            self._waiting.popleft()
            try:
                chosen[0].send(work)
            except OSError:  # it died
                self._replace(chosen[0])

    def _receive(self) -> None:
        ready = wait([worker.connection for worker in self._workers])
        for worker in [worker for worker in self._workers if worker.connection in ready]:
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                self._replace(worker)
                continue
            if isinstance(message, InstructSAMError):
                raise message
            if message == STARTED:
                worker.started = True
                continue
            self._deaths = 0
            self._store(worker.work.popleft(), message)

    def _store(self, work: _Work, answers: BatchAnswers) -> None:
        pending = self._pending[work.batch.index]
        pending.header = answers.header or pending.header
        found = zip(work.places, answers.pictures, strict=True)
        if work.stage == "probe":
            pending.probed.update(found)
            self._waiting.extendleft(pending.rest())
        else:
            pending.found.update(found)

    def _replace(self, worker: _Worker) -> None:
        """Start another process for a worker that died, and queue its work again."""
        cause = worker.cause()
        self._deaths += 1
        if not worker.started and (worker.process.exitcode or 0) > 0:
            raise InstructSAMError(
                f"the process for a device ended at its start ({cause}), its error is printed above; a script "
                'that uses several devices must call label under `if __name__ == "__main__":`'
            )
        if self._deaths >= DEATHS_IN_A_ROW:
            raise InstructSAMError(
                f"{self._deaths} processes ended in a row without an answer, the last one: {cause}; SIGKILL often "
                "means that memory ran out: use fewer devices or a smaller --batch-size, then repeat the command"
            )
        work = [*worker.work]
        self._waiting.extendleft(reversed(self._again(work[0], cause) + work[1:] if work else []))
        worker.stop()
        self._workers[self._workers.index(worker)] = _Worker(worker.answerer, worker.number)

    def _again(self, work: _Work, cause: str) -> list[_Work]:
        """The work that follows from a death."""
        work.deaths += 1
        pending = self._pending[work.batch.index]
        if work.deaths < DEATHS_OF_WORK:
            return [work]
        if work.stage == "rest":
            pending.found.update(pending.probed)
            return []
        if len(work.places) > 1:
            return [_Work(work.batch, (place,), "probe") for place in work.places]
        name = work.batch.pictures[work.places[0]].name
        error = f"{name}: the process that segmented it ended {work.deaths} times ({cause})"
        pending.found[work.places[0]] = PictureAnswers(error=error)
        return pending.rest()
