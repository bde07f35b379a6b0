"""Rows with their outcomes, from the files of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from instructsam.engine.candidates import RowOutcome
from instructsam.engine.ledger.store import PartStore
from instructsam.engine.rows import ImageRow
from instructsam.engine.runners.outcomes import find_outcome


def iter_finished(
    rows: Iterable[ImageRow], ledger: PartStore, fingerprint: str
) -> Iterator[tuple[ImageRow, RowOutcome]]:
    """The rows whose outcome is known, in their order, with the objects that the numbers of decisions count.

    Args:
        rows: those of the run, see `rows_file.iter_rows`.
        ledger: of the run.
        fingerprint: of the outcomes, see `runners.outcomes.outcome_fingerprint`.
    """
    for row in rows:
        outcome = find_outcome(row, fingerprint, ledger)
        if outcome is not None:
            yield outcome.with_objects(row), outcome
