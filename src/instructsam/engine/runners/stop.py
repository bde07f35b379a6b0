"""The clean stop of a run: no call begins after it, and calls in flight finish."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from instructsam.errors import InstructSAMError


class RunStoppedError(InstructSAMError):
    """A task was not performed, because the run stops."""


class Stop:
    """One for a run: whoever ends it gives a reason, and every wait ends. Not safe between threads."""

    def __init__(self) -> None:
        self.reason = ""
        self._event = asyncio.Event()

    def request(self, reason: str) -> None:
        """Stop the run; the first reason counts."""
        if not self.reason:
            self.reason = reason
            self._event.set()

    def check(self) -> None:
        """Do nothing while the run continues.

        Raises:
            RunStoppedError: it stops.
        """
        if self.reason:
            raise RunStoppedError(self.reason)

    async def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the stop.

        Raises:
            RunStoppedError: the run stops.
        """
        self.check()
        if seconds <= 0:
            return
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except asyncio.TimeoutError:
            return
        self.check()

    def end(self, reason: str) -> NoReturn:
        """Stop the run, and the task that found the reason.

        Raises:
            RunStoppedError: always.
        """
        self.request(reason)
        raise RunStoppedError(reason)
