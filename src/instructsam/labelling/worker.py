"""The process of one device: receives batches over a pipe, sends back their answers, ends when the pipe closes."""

from __future__ import annotations

import queue
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from instructsam.errors import InstructSAMError
from instructsam.labelling.answerer import Answerer, RunningAnswerer

if TYPE_CHECKING:
    from concurrent.futures import Future
    from typing import Any, TypeAlias

    from instructsam.labelling.pictures import Batch

    Work: TypeAlias = "tuple[Batch, list[Future[Any]]] | None"

STARTED = "started"


def serve(connection: Connection, answerer: Answerer) -> None:
    """Answer batches until the other side closes the pipe; an error that a user can fix is sent, and ends the process.

    Args:
        connection: receives `Batch`, sends `STARTED`, then `BatchAnswers` or an `InstructSAMError`.
        answerer: of this device.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent stops its workers
    with suppress(BrokenPipeError, ConnectionResetError), answerer.start() as running:
        connection.send(STARTED)
        received: queue.Queue[Work] = queue.Queue()
        threading.Thread(target=_receive, args=(connection, running, received), daemon=True).start()
        while (work := received.get()) is not None:
            try:
                connection.send(running.answer(*work))
            except InstructSAMError as error:
                connection.send(error)
                return


def _receive(connection: Connection, running: RunningAnswerer, received: queue.Queue[Work]) -> None:
    """Queue batches and start to decode them, while earlier ones are answered."""
    with suppress(EOFError, OSError):  # the parent has closed the pipe, or was killed
        while True:
            batch = connection.recv()
            received.put((batch, running.decode(batch)))
    received.put(None)
