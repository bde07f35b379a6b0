"""Calls of models: the cost of an answer beside its score."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Callee = Literal["vlm", "detector"]
_NAMES: dict[Callee, str] = {"vlm": "VLM", "detector": "detector"}


@dataclass(frozen=True)
class CallLog:
    """One finished call.

    Attributes:
        callee: the model.
        instruction: the user's text that the call served.
        asked: the noun phrase, or the decision that the VLM had to make.
        seconds: wall time, failed calls included.
    """

    callee: Callee
    instruction: str
    asked: str
    seconds: float


@dataclass
class Calls:
    """Every call since the baseline was opened, in order."""

    log: list[CallLog] = field(default_factory=list)

    @contextmanager
    def timed(self, callee: Callee, instruction: str, asked: str) -> Iterator[None]:
        """Log the block as one call, also when it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.log.append(CallLog(callee, instruction, asked, time.perf_counter() - start))

    def count(self, callee: Callee | None = None, since: int = 0) -> int:
        """Number of calls of one model or of all, from entry `since` of the log on."""
        return sum(callee in (None, call.callee) for call in self.log[since:])

    def note(self, since: int = 0) -> str:
        """One line for a prediction: "2 VLM calls, 1 detector call"."""
        counts = {name: self.count(callee, since) for callee, name in _NAMES.items()}
        counted = [f"{n} {name} call{'s' * (n != 1)}" for name, n in counts.items() if n]
        return ", ".join(counted) or "no call of any model"
