"""A limit on the memory that the bodies and images of all requests take together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from instructsam.serving.errors import BusyError, TooLargeError


class Memory:
    """Bytes reserved by the requests that run.

    Attributes:
        limit: of all requests together.
        used: at present.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._lock = threading.Lock()

    @contextmanager
    def request(self) -> Iterator[None]:
        """While one request runs: `reserve` counts for it; all of it is released at the end."""
        reservation = _Reservation(self)
        token = _CURRENT.set(reservation)
        try:
            yield
        finally:
            _CURRENT.reset(token)
            reservation.end()

    def add(self, count: int) -> None:
        """Reserve bytes, or release them with a negative number.

        Raises:
            BusyError: they do not fit now.
            TooLargeError: they never fit.
        """
        if count > self.limit:
            raise TooLargeError(
                f"the images and masks of this request take {count / 2**20:.0f} MiB, the server has "
                f"{self.limit / 2**20:.0f} MiB for all requests: send smaller images or fewer masks"
            )
        with self._lock:
            if count > 0 and self.used + count > self.limit:
                raise BusyError("the server holds as many images as its memory limit allows: try again", 2)
            self.used += count


class _Reservation:
    def __init__(self, memory: Memory) -> None:
        self._memory, self._count, self._ended = memory, 0, False
        self._lock = threading.Lock()  # an image is decoded in a thread, which may outlive the request

    def add(self, count: int) -> None:
        with self._lock:
            if self._ended:
                raise BusyError("the request has ended", 1)
            self._memory.add(count)
            self._count += count

    def end(self) -> None:
        with self._lock:
            self._ended = True
            self._memory.add(-self._count)


_CURRENT: ContextVar[_Reservation | None] = ContextVar("reservation", default=None)


def reserve(count: int) -> None:
    """Reserve bytes for the current request, until it ends; outside of requests nothing is counted.

    Raises:
        BusyError: the limit of the server is reached.
        TooLargeError: it is above the limit by itself.
    """
    reservation = _CURRENT.get()
    if reservation is not None:
        reservation.add(count)
