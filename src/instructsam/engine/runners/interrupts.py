"""Ctrl-C during a run: the first one stops it cleanly, the second one at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from instructsam.engine.runners.stop import Stop

INTERRUPTED = "the run was interrupted: run again to resume"


@contextmanager
def interrupts(stop: Stop, note: Callable[[str], None]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM inside a coroutine; only the main thread receives them.

    The second signal cancels the current task.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if stop.reason == INTERRUPTED and task is not None:
            task.cancel()
            return
        note("stopping: calls in flight finish and are kept; interrupt again to stop at once")
        stop.reason = ""  # a second signal stops at once, also during another clean stop
        stop.request(INTERRUPTED)

    def handle(*_: Any) -> None:
        loop.call_soon_threadsafe(interrupt)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
