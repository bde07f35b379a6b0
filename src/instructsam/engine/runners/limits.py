"""Limits of a server: requests at a time, requests and tokens per minute, and pauses when it is busy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from instructsam.engine.runners.stop import Stop

_ROUNDING = 1e-6  # seconds; a shorter wait is an error of floating point


class Bucket:
    """A token bucket. It never waits itself: `wait` gives the seconds, `take` may leave a debt.

    It holds the amount of one second at most, so that no minute exceeds the limit by more than that.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        self._rate = per_minute / 60
        self._capacity = max(1.0, self._rate)
        self._level, self._clock, self._seen = self._capacity, clock, clock()

    def wait(self, amount: float) -> float:
        """Seconds until this amount, or a full bucket, is there; 0 without a limit."""
        if not self._rate:
            return 0.0
        now = self._clock()
        self._level = min(self._capacity, self._level + (now - self._seen) * self._rate)
        self._seen = now
        return max(0.0, (min(amount, self._capacity) - self._level) / self._rate)

    def take(self, amount: float) -> None:
        """Take an amount; a negative one is given back."""
        self._level -= amount


class Limiter:
    """Admits calls to one server, first come, first served."""

    def __init__(
        self,
        concurrency: int,
        requests_per_minute: float,
        tokens_per_minute: float,
        stop: Stop,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """0 per minute is no limit."""
        self._stop, self._clock = stop, clock
        self._requests = Bucket(requests_per_minute, clock)
        self._tokens = Bucket(tokens_per_minute, clock)
        self._most, self._width, self._active = concurrency, float(concurrency), 0
        self._queue, self._gate, self._freed = asyncio.Lock(), asyncio.Lock(), asyncio.Event()
        self._resume_at = self._slowed_at = clock()

    @property
    def width(self) -> int:
        """Calls that may run at a time now: fewer after the server was busy, and slowly more again."""
        return max(1, int(self._width))

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """One of the concurrent calls, with all of its tries.

        Raises:
            RunStoppedError: the run stops.
        """
        async with self._queue:
            self._stop.check()
            while self._active >= self.width:
                self._freed.clear()
                await self._freed.wait()
            self._stop.check()
            self._active += 1
        try:
            yield
        finally:
            self._active -= 1
            self._freed.set()

    async def admit(self, tokens: int) -> float:
        """Wait until a request of about so many tokens may be sent; returns the time on the limiter's clock.

        Raises:
            RunStoppedError: the run stops.
        """
        async with self._gate:
            while (wait := self._wait(tokens)) > _ROUNDING:
                await self._stop.sleep(wait)
            self._stop.check()
            self._requests.take(1)
            self._tokens.take(tokens)
            return self._clock()

    def _wait(self, tokens: int) -> float:
        pause = self._resume_at - self._clock()
        return max(pause, self._requests.wait(1), self._tokens.wait(tokens))

    def correct(self, estimated: int, used: int) -> None:
        """Replace the estimate of a request by the tokens that it used."""
        self._tokens.take(used - estimated)

    def succeeded(self) -> None:
        """Widen the concurrency by one after as many answers as calls run at a time."""
        self._width = min(float(self._most), self._width + 1 / self._width)

    def slow_down(self, seconds: float, sent_at: float) -> None:
        """Pause all requests, and halve the concurrency once for all requests that were in flight.

        Args:
            seconds: of the pause.
            sent_at: of the request that found the server busy, from `admit`.
        """
        now = self._clock()
        self._resume_at = max(self._resume_at, now + seconds)
        if sent_at >= self._slowed_at:
            self._slowed_at = now
            self._width = max(1.0, self._width / 2)
