"""Counts of a run, while it runs and at its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from instructsam.engine.candidates import RowOutcome
from instructsam.engine.runners.spending import SpendingLog
from instructsam.engine.tasks import NO_USAGE, Usage

_EXAMPLES = 100
_REASONS = 1000  # that are counted each on its own
_LONGEST = 300  # characters of a reason by which failures are counted


@dataclass(frozen=True)
class Progress:
    """Counts of a run.

    Attributes:
        total: rows of the run; None if unknown.
        done: rows with an outcome, those of earlier runs included.
        resumed: of `done`, those of earlier runs.
        skipped: of `done`, those without candidates, such as images without objects.
        failed: rows without an outcome, which the next run tries again.
        accepted, rejected, review: candidates of the rows in `done`.
        usage: tokens of this run, failed calls included where there is a spending log.
        cost: money of this run, failed calls included.
        seconds: since the start of this run.
    """

    total: int | None = None
    done: int = 0
    resumed: int = 0
    skipped: int = 0
    failed: int = 0
    accepted: int = 0
    rejected: int = 0
    review: int = 0
    usage: Usage = NO_USAGE
    cost: float = 0.0
    seconds: float = 0.0

    @property
    def tried(self) -> int:
        """Rows of this run."""
        return self.done - self.resumed + self.failed

    @property
    def remaining_seconds(self) -> float | None:
        """An estimate from the rows of this run; None before the first one, or without a total."""
        if self.total is None or not self.tried:
            return None
        return max(0, self.total - self.done - self.failed) * self.seconds / self.tried


@dataclass(frozen=True)
class RunReport:
    """The end of a run.

    Attributes:
        progress: its last counts.
        stopped: why it ended before its last row, with the way to resume; "" when all rows were tried.
        failures: number of failed rows by reason, the most frequent first.
        examples: ids of failed rows with reasons, at most 100.
    """

    progress: Progress
    stopped: str
    failures: Mapping[str, int]
    examples: tuple[tuple[str, str], ...]


class Counts:
    """Adds up rows; the cost comes from the spending log, if there is one."""

    def __init__(self, total: int | None = None, spending: SpendingLog | None = None) -> None:
        self._total, self._spending = total, spending
        self._before = None if spending is None else spending.total
        self._started = time.monotonic()
        self._rows: Counter[str] = Counter()
        self._states: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._examples: list[tuple[str, str]] = []

    def finished(self, outcome: RowOutcome, resumed: bool = False) -> None:
        """Count a row with an outcome; `resumed` where an earlier run computed it."""
        self._rows["done"] += 1
        self._rows["resumed"] += resumed
        self._rows["skipped"] += bool(outcome.skipped)
        self._states.update(decision.state for decision in outcome.decisions)

    def failed(self, row: str, reason: str) -> None:
        """Count a row without an outcome."""
        self._rows["failed"] += 1
        reason_of_many = reason.replace(row, "ROW")[:_LONGEST]
        known = reason_of_many in self._failures or len(self._failures) < _REASONS
        self._failures[reason_of_many if known else "other reasons"] += 1
        if len(self._examples) < _EXAMPLES:
            self._examples.append((row, reason))

    def progress(self, usage: Usage) -> Progress:
        """The counts now; `usage` is that of the parts, which counts without a spending log."""
        money = 0.0
        if self._spending is not None and self._before is not None:
            now, before = self._spending.total, self._before
            usage = Usage(
                now.usage.input_tokens - before.usage.input_tokens,
                now.usage.output_tokens - before.usage.output_tokens,
            )
            money = now.cost - before.cost
        rows, states = self._rows, self._states
        return Progress(
            self._total,
            **{name: rows[name] for name in ("done", "resumed", "skipped", "failed")},
            **{name: states[name] for name in ("accepted", "rejected", "review")},
            usage=usage,
            cost=money,
            seconds=time.monotonic() - self._started,
        )

    def report(self, usage: Usage, stopped: str) -> RunReport:
        """The end of the run."""
        failures = dict(self._failures.most_common())
        return RunReport(self.progress(usage), stopped, failures, tuple(self._examples))
