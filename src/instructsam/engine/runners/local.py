"""The runner in this process: many rows at a time, with asyncio and threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from instructsam.engine.ledger.store import PartStore
from instructsam.engine.rows import ImageRow
from instructsam.engine.runners.stop import Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import Pictures, Responder, Stage
from instructsam.engine.tasks import NO_USAGE, Usage


@dataclass(frozen=True)
class Progress:
    """Counts of a run.

    Attributes:
        total: rows of the run; None if unknown.
        done: rows with an outcome, those of earlier runs included.
        resumed: of `done`, those of earlier runs.
        failed: rows without an outcome, which the next run tries again.
        accepted, rejected, review: candidates of the rows in `done`.
        usage: tokens of this run.
        cost: money of this run, failed calls included.
        seconds: since the start of this run.
    """

    total: int | None = None
    done: int = 0
    resumed: int = 0
    failed: int = 0
    accepted: int = 0
    rejected: int = 0
    review: int = 0
    usage: Usage = NO_USAGE
    cost: float = 0.0
    seconds: float = 0.0

    @property
    def remaining_seconds(self) -> float | None:
        """Estimate from the rows of this run; None before the first one, or without a total."""
        new = self.done - self.resumed + self.failed
        if self.total is None or not new:
            return None
        return (self.total - self.done - self.failed) * self.seconds / new


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


async def run_rows(
    rows: Iterable[ImageRow],
    config: EngineConfig,
    stages: Mapping[str, Stage],
    responders: Mapping[str, Responder],
    pictures: Pictures,
    ledger: PartStore,
    *,
    stop: Stop | None = None,
    total: int | None = None,
    limit: int = 0,
    max_minutes: float = 0.0,
    progress: Callable[[Progress], None] | None = None,
) -> RunReport:
    """Perform the tasks of all rows that the ledger does not hold.

    Args:
        rows: in the order of the run; read as they are needed.
        stages: by name.
        responders: by the name of their stage; local stages need none.
        pictures: of the rows.
        stop: the same one as that of the responders.
        total: number of rows, for the progress.
        limit: number of unfinished rows to try; 0 for all.
        max_minutes: the run stops cleanly after this time; 0 for no limit.
        progress: called after every row.
    """
    raise NotImplementedError
