"""How a run ends before its last step: by a signal, with a checkpoint and the exit code that shells expect."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from torch import distributed as dist

from instructsam.errors import InstructSAMError, first_line

# Ctrl-C, schedulers and service managers, a closed terminal
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
ONE_REQUEST = 3.0  # seconds; wrappers repeat a signal that the process group got too


class TrainingInterrupted(InstructSAMError):  # noqa: N818 - a signal is not an error
    """A signal ended the run; its checkpoint is saved.

    Attributes:
        signal_number: of the signal.
        exit_code: 128 + the number, as shells report it.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


class StopSignals:
    """Inside, SIGINT, SIGTERM and SIGHUP are reported once instead of ending the process.

    A further signal after `ONE_REQUEST` seconds ends the process at once, unless `patient`. Ignored signals (nohup)
    stay ignored, and outside of the main thread nothing changes.

    Args:
        report: called with the signal's number.
        patient: never end at once; a launcher of several processes repeats signals and kills the slow ones.
    """

    def __init__(self, report: Callable[[int], None], patient: bool = False) -> None:
        self.report = report
        self.patient = patient
        self.received = 0
        self._when = 0.0
        self._old: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        if not self.received:
            self.received, self._when = number, time.monotonic()
            self.report(number)
        elif not self.patient and time.monotonic() - self._when > ONE_REQUEST:
            self._restore()
            os.kill(os.getpid(), number)

    def _restore(self) -> None:
        while self._old:
            number, handler = self._old.popitem()
            signal.signal(number, handler)


@contextmanager
def lost_peers_reported() -> Iterator[None]:
    """Report a process that has ended early, for which torch only reports a closed connection.

    Raises:
        InstructSAMError: another process of the run is gone.
    """
    try:
        yield
    except RuntimeError as error:
        if not dist.is_available() or not (isinstance(error, dist.DistError) or "/gloo/" in str(error)):
            raise
        raise InstructSAMError(
            f"another process of this run has ended early ({first_line(error)}): fix what it reports, then repeat the "
            "command with --resume"
        ) from error


def leave_process_group() -> None:
    """Let all processes end together; a process whose peers have closed their connections would fail.

    Does nothing in a run of one process. Call it once, after the last stage.
    """
    if dist.is_available() and dist.is_initialized():
        with lost_peers_reported():
            dist.barrier()
        dist.destroy_process_group()
