"""The main function of a worker process. Imported there; the server itself needs no torch for it."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from instructsam.errors import InputError, InstructSAMError
from instructsam.serving.heap import Heap
from instructsam.serving.runner import ModelRunner
from instructsam.serving.wire import PackedPrediction, Reply, WireError

if TYPE_CHECKING:
    from instructsam.inference.jobs import ImageJob
    from instructsam.inference.segmenter import Segmenter
    from instructsam.serving.service import ServedModel


def serve_models(
    connection: Connection, openers: Mapping[str, Callable[[], Segmenter]], cache_bytes: int
) -> None:
    """Answer requests until the server closes the connection.

    Args:
        connection: to the server.
        openers, cache_bytes: as in `ModelRunner`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the server, which lets its workers finish
    runner, heap = ModelRunner(openers, cache_bytes), Heap()
    while True:
        try:
            action, name, jobs = connection.recv()
        except (EOFError, ConnectionResetError):
            break
        value: ServedModel | list[list[PackedPrediction] | WireError] | WireError
        try:
            value = runner.open(name) if action == "open" else _run(runner, name, jobs)
        except (InstructSAMError, RuntimeError, ValueError, TypeError, LookupError, OSError) as error:
            if not isinstance(error, InstructSAMError):
                logging.getLogger(__name__).exception("a worker process failed to answer")
            value = WireError.of(error)
        try:
            connection.send(Reply(value, runner.statistics()))
        except (BrokenPipeError, ConnectionResetError):
            break
        heap.give_back()
    runner.close()


def _run(
    runner: ModelRunner, name: str, jobs: Sequence[ImageJob]
) -> list[list[PackedPrediction] | WireError]:
    return [
        WireError.of(answer)
        if isinstance(answer, InputError)
        else [PackedPrediction.of(prediction) for prediction in answer]
        for answer in runner.run(name, jobs)
    ]
