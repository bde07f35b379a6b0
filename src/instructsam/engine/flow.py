"""The way of a row through the stages, without input and output.

`process_row` is a generator: it yields the tasks that are next, which may be performed side by side, is sent their
parts, and returns the decisions. It is the same for every runner.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeAlias

from instructsam.engine.candidates import Decision, RowOutcome, parse_candidate
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.tasks import Part, Task

Flow: TypeAlias = Generator[Sequence[Task], Sequence[Part], RowOutcome]

OUTCOME = "outcome"
"""The stage of the part that holds a row's `RowOutcome`; its key is that of `Task(OUTCOME, row)`."""


def process_row(row: ImageRow, config: EngineConfig) -> Flow:
    """The tasks of a row, and at last the decisions about its candidates."""
    (proposed,) = yield [Task("propose", row)]
    candidates = [parse_candidate(value) for value in proposed.data["candidates"]]
    return RowOutcome(row.id, tuple(Decision(candidate, "accepted") for candidate in candidates))
