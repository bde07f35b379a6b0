"""What a rival asked of which model, and how long each took: the price of an answer beside its score."""

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
        callee: which model was asked.
        instruction: the user's words that it was asked for.
        asked: the noun phrase, or what the VLM was to decide.
        seconds: wall time, failed calls included.
    """

    callee: Callee
    instruction: str
    asked: str
    seconds: float


@dataclass
class Calls:
    """Every call of a rival since it was opened, in order."""

    log: list[CallLog] = field(default_factory=list)

    @contextmanager
    def timed(self, callee: Callee, instruction: str, asked: str) -> Iterator[None]:
        """Logs what runs inside as one call, also when it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.log.append(CallLog(callee, instruction, asked, time.perf_counter() - start))

    def count(self, callee: Callee | None = None, since: int = 0) -> int:
        """How many calls there were, of one model or of all, from entry `since` of the log on."""
        return sum(callee in (None, call.callee) for call in self.log[since:])

    def note(self, since: int = 0) -> str:
        """One line for a prediction: "2 VLM calls, 1 detector call"."""
        counts = {name: self.count(callee, since) for callee, name in _NAMES.items()}
        told = [f"{n} {name} call{'s' * (n != 1)}" for name, n in counts.items() if n]
        return ", ".join(told) or "no call of any model"
