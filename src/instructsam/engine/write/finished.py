"""Rows with their outcomes, from the files of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from instructsam.engine.candidates import RowOutcome, parse_outcome
from instructsam.engine.flow import OUTCOME
from instructsam.engine.ledger.store import PartStore
from instructsam.engine.rows import ImageRow, parse_row
from instructsam.engine.tasks import Task
from instructsam.errors import InputError
from instructsam.structures.files import reason

ROWS = "rows.jsonl"
"""The rows of a run, in its folder."""


def iter_rows(path: Path) -> Iterator[ImageRow]:
    """The rows of a file, one by one.

    Raises:
        InputError: it cannot be read, or a line is no row.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield parse_row(line)
                except ValueError as error:
                    raise InputError(
                        f"{path}, line {number}: expected a row of the data engine, got something else: remove the "
                        "file, and the next run reads the source again"
                    ) from error
    except OSError as error:
        raise InputError(
            f"{path}: the rows cannot be read ({reason(error)}): run the engine first"
        ) from error


def iter_finished(
    rows: Iterable[ImageRow], ledger: PartStore, fingerprint: str
) -> Iterator[tuple[ImageRow, RowOutcome]]:
    """The rows whose outcome is known, in their order.

    Args:
        rows: those of the run, see `iter_rows`.
        ledger: of the run.
        fingerprint: of the outcomes, as the runner keeps them.
    """
    for row in rows:
        part = ledger.get(Task(OUTCOME, row).key(fingerprint))
        if part is not None:
            yield row, parse_outcome(part.data)
