"""Caps on the tokens and the money of one model, which stop a run cleanly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from instructsam.engine.runners.spending import Call, SpendingLog, Spent, cost
from instructsam.engine.runners.stop import Stop
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.tasks import NO_USAGE, Usage


class Budget:
    """The budget of one model.

    A call reserves the most that it may cost. Where that does not fit, it waits for the calls in flight, which usually
    cost less than they reserved; when none is in flight, the run stops. So a cap is exceeded at most by the error of
    the estimate of a call's input.
    """

    def __init__(self, log: SpendingLog, settings: VLMSettings, stop: Stop, group: str = "vlm") -> None:
        """`group` is the group of the settings, for the message."""
        self._log, self._settings, self._stop, self._group = log, settings, stop, group
        self._reserved, self._in_flight = NO_USAGE, 0
        self._queue, self._settled = asyncio.Lock(), asyncio.Event()

    @asynccontextmanager
    async def reserve(self, most: Usage) -> AsyncIterator[None]:
        """Reserve the cost of a call until the end of the block, which logs the call by `spend`.

        Raises:
            RunStoppedError: a cap is reached, or the run stops for another reason.
        """
        async with self._queue:
            self._stop.check()
            while problem := self._problem(most):
                if not self._in_flight:
                    self._stop.end(problem)
                self._settled.clear()
                await self._settled.wait()
                self._stop.check()
            self._reserved += most
            self._in_flight += 1
        try:
            yield
        finally:
            self._reserved += Usage(-most.input_tokens, -most.output_tokens)
            self._in_flight -= 1
            self._settled.set()

    def spend(
        self, stage: str, usage: Usage, *, ok: bool = True, estimated: bool = False, correction: bool = False
    ) -> None:
        """Log a call.

        Raises:
            InputError: the log cannot be written.
        """
        money = cost(usage, self._settings)
        self._log.append(Call(self._settings.model, stage, usage, money, ok, estimated, correction))

    def _problem(self, most: Usage) -> str:
        """The cap that a call may exceed; "" for none."""
        settings, spent = self._settings, self._log.models.get(self._settings.model, Spent())
        tokens = _total(spent.usage) + _total(self._reserved) + _total(most)
        money = spent.cost + cost(self._reserved, settings) + cost(most, settings)
        if settings.max_tokens and tokens > settings.max_tokens:
            name, used, cap = "max_tokens", f"{_total(spent.usage):,} tokens", f"{settings.max_tokens:,}"
        elif settings.max_cost and money > settings.max_cost:
            name, used, cap = "max_cost", f"{spent.cost:.2f}", f"{settings.max_cost:.2f}"
        else:
            return ""
        return (
            f"the budget of {settings.model} is spent ({used}; {self._group}.{name} is {cap}, and the next call may "
            f"exceed it): raise {self._group}.{name} and run again to resume"
        )


def _total(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens
