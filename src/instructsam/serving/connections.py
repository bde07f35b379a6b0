"""Connections that a slow client cannot hold: time limits on the head of a request and on the end of an answer."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0  # until the request line and the headers have arrived, and between two requests
TAKE_SECONDS = 60.0  # in which the client must take at least a part of the answer


class TimedConnection(H11Protocol):
    """uvicorn's protocol with both limits; it has none of its own."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the limit of the first request."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """End the limit when a request has begun; more data do not extend it."""
        super().data_received(data)
        if not self._is_idle():
            self._stop_timer()
        elif self._timer is None:
            self._await_head()

    def on_response_complete(self) -> None:
        """Start the limit of the next request, and of the end of this answer."""
        super().on_response_complete()
        if self._is_idle():
            self._await_head()
        self._await_taking()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the limits."""
        self._stop_timer()
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def _await_head(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._end)

    def _end(self) -> None:
        if self._is_idle() and not self.transport.get_write_buffer_size():
            self.transport.abort()

    def _await_taking(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left:
            self.loop.call_later(TAKE_SECONDS, self._check_taking, left)

    def _check_taking(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= before:
            self.transport.abort()
        elif left:
            self._await_taking()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
