"""Limits on a clock of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from instructsam.engine.runners.limits import Limiter
from instructsam.engine.runners.stop import RunStoppedError, Stop


class Clock(Stop):
    """A stop whose waits take no time and advance a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.check()
        self.now += seconds
        await asyncio.sleep(0)


def limiter(clock: Clock, concurrency: int = 4, requests: float = 0, tokens: float = 0) -> Limiter:
    return Limiter(concurrency, requests, tokens, clock, lambda: clock.now)


def times(
    count: int, tokens: int = 0, used: int | None = None, requests: float = 0, per_minute: float = 0
) -> list[float]:
    """When so many requests of so many tokens are admitted, that all come at once."""

    async def run() -> list[float]:
        clock = Clock()
        limited = limiter(clock, requests=requests, tokens=per_minute)
        found = []
        for _ in range(count):
            found.append(await limited.admit(tokens))
            if used is not None:
                limited.correct(tokens, used)
        return found

    return asyncio.run(run())


def test_requests_per_minute() -> None:
    found = times(31, requests=30)
    assert found == pytest.approx([2.0 * number for number in range(31)])


def test_a_minute_holds_at_most_one_second_more_than_its_limit() -> None:
    found = times(2000, requests=600)
    for start in (0, 100, 700):
        assert sum(found[start] <= time < found[start] + 60 for time in found) <= 610


def test_tokens_per_minute_and_a_request_that_is_larger_than_the_bucket() -> None:
    found = times(4, 5000, per_minute=60_000)
    assert found == pytest.approx([0.0, 5.0, 10.0, 15.0])


def test_tokens_are_corrected_after_the_reply() -> None:
    assert times(3, 6000, 600, per_minute=60_000)[-1] == pytest.approx(2 * 0.6)
    assert times(3, 600, 6000, per_minute=60_000)[-1] > 10


def test_without_limits_nothing_waits() -> None:
    assert times(1000, tokens=10**6) == [0.0] * 1000


def run(job: Callable[[Clock, Limiter], Coroutine[Any, Any, Any]], **limits: int) -> Any:
    clock = Clock()
    return asyncio.run(job(clock, limiter(clock, **limits)))


def test_slots_are_given_in_turn() -> None:
    async def job(clock: Clock, limited: Limiter) -> list[int]:
        order, most, active = list[int](), 0, 0

        async def call(number: int) -> None:
            nonlocal most, active
            async with limited.slot():
                order.append(number)
                active += 1
                most = max(most, active)
                await asyncio.sleep(0)
                active -= 1

        await asyncio.gather(*(call(number) for number in range(20)))
        assert most == 3
        return order

    assert run(job, concurrency=3) == list(range(20))


def test_a_busy_server_pauses_all_and_halves_the_concurrency_once() -> None:
    async def job(clock: Clock, limited: Limiter) -> None:
        sent = [await limited.admit(0) for _ in range(8)]
        clock.now = 1.0
        for time in sent:  # all eight were in flight
            limited.slow_down(5.0, time)
        assert limited.width == 4
        assert await limited.admit(0) == 6.0
        limited.slow_down(5.0, clock.now)
        assert limited.width == 2
        for _ in range(2 + 3 + 4):
            limited.succeeded()
        assert 4 <= limited.width <= 5
        for _ in range(100):
            limited.succeeded()
        assert limited.width == 8

    run(job, concurrency=8)


def test_a_stop_ends_every_wait() -> None:
    async def job() -> None:
        stop = Stop()
        limited = Limiter(1, 0.001, 0, stop)
        await limited.admit(0)
        waiting = [asyncio.create_task(limited.admit(0)) for _ in range(3)]
        await asyncio.sleep(0.01)
        stop.request("enough")
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(result) for result in results] == ["enough"] * 3
        with pytest.raises(RunStoppedError):
            async with limited.slot():
                pass

    asyncio.run(asyncio.wait_for(job(), 5))
