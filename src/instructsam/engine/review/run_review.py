"""The review of a run: the key of its pages, and the import of any file of decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from instructsam.engine.candidates import RowOutcome
from instructsam.engine.digests import digest
from instructsam.engine.review.apply import import_decisions
from instructsam.engine.review.decisions import read_decisions
from instructsam.engine.review.label_studio_results import (
    LabelStudioReport,
    label_studio_decisions,
    read_export,
)
from instructsam.engine.review.report import ReviewReport
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.config import EngineConfig
from instructsam.errors import InputError
from instructsam.structures.files import reason

Finished: TypeAlias = Callable[[], Iterable[tuple[ImageRow, RowOutcome]]]
"""Begins another pass over the rows and outcomes of a run, see `write.finished.iter_finished`."""


def page_key(config: EngineConfig) -> str:
    """The key under which a browser keeps the decisions of a run: it stays when prompts or settings change."""
    source = digest(config.source.model_dump(mode="json"))
    return f"{config.output_dir.name}-{source[:8]}"


def import_file(
    source: Path, finished: Finished, path: Path
) -> tuple[ReviewReport, LabelStudioReport | None]:
    """Append the decisions of a file to those of a run.

    Args:
        source: decisions that a review page saved, or the JSON export of Label Studio.
        finished: rows and outcomes of the engine.
        path: `decisions.jsonl` of the run.

    Returns:
        The report, and that of Label Studio's export if it was one.

    Raises:
        InputError: a file cannot be read or written, or is something else.
    """
    if not source.is_file():
        raise InputError(f"{source}: expected a file of decisions or an export of Label Studio, found none")
    if not _is_list(source):
        given = read_decisions(source)
        report = import_decisions(given.latest, finished(), path)
        if given.cut:
            report.problem(f"{source}: the last line is cut off and was left out")
        return report, None
    exported = LabelStudioReport()
    decisions = label_studio_decisions(read_export(source), finished(), exported)
    return import_decisions(decisions, finished(), path), exported


def _is_list(source: Path) -> bool:
    """Whether a file begins as a JSON list, as exports of Label Studio do."""
    try:
        with source.open("rb") as stream:
            return stream.read(1000).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({reason(error)})") from error
