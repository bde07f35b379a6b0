"""`instructsam engine review`, without the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from instructsam.engine.review.apply import import_decisions
from instructsam.engine.review.decisions import read_decisions
from instructsam.engine.review.label_studio_results import (
    LabelStudioReport,
    label_studio_decisions,
    read_export,
)
from instructsam.engine.review.label_studio_tasks import embedded, url_prefix, write_tasks
from instructsam.engine.review.page import PagesReport, write_pages
from instructsam.engine.review.queue import ReviewItem, review_queue
from instructsam.engine.review.report import ReviewReport
from instructsam.engine.stages.pictures import RowPictures
from instructsam.errors import InputError
from instructsam.experiments.engine.opened import Run
from instructsam.experiments.engine.source import open_source


def open_queue(run: Run, sample: int = 0, rejected: bool = False) -> list[ReviewItem]:
    """The candidates that wait for a person, without those that have a decision.

    Args:
        sample: accepted candidates to add, which measure the precision of the engine.
        rejected: whether all rejected ones are added.
    """
    decided = read_decisions(run.folder.decisions).latest
    return review_queue(run.finished(), sample, rejected, decided)


def write_html(
    run: Run,
    items: list[ReviewItem],
    path: Path,
    embed: bool = True,
    progress: Callable[[int], None] | None = None,
) -> PagesReport:
    """Write the queue as one page, or as several with an index; see `write_pages`."""
    pictures = RowPictures(open_source(run.config).images, run.config.propose.max_side)
    return write_pages(items, pictures, path, run.outcome[:12], embed=embed, progress=progress)


def write_label_studio(run: Run, items: list[ReviewItem], path: Path, prefix: str | None) -> list[Path]:
    """Write the queue as tasks of Label Studio, and the labelling interface beside them.

    Args:
        prefix: of the addresses of images; None to embed them.
    """
    images = embedded(open_source(run.config).images) if prefix is None else url_prefix(prefix)
    return write_tasks(items, images, path)


def import_review(run: Run, path: Path) -> tuple[list[str], ReviewReport]:
    """Keep the decisions of a file in the folder of the run.

    Args:
        path: decisions that the page saved (.jsonl), or a JSON export of Label Studio (.json).

    Returns:
        Lines about the file, and the decisions by their effect.

    Raises:
        InputError: the file cannot be read, or has another format.
    """
    if path.suffix == ".jsonl":
        if not path.is_file():
            raise InputError(f"{path}: expected a file of decisions, got none: correct the path")
        found = read_decisions(path)
        lines = [f"{path}: {found.lines} decisions about {len(found.latest)} candidates"]
        if found.cut:
            lines.append(f"{path}: the last line was cut off and is left out")
        return lines, import_decisions(found.latest, run.finished(), run.folder.decisions)
    if path.suffix != ".json":
        raise InputError(
            f"expected decisions of the page (.jsonl) or a JSON export of Label Studio (.json), got {str(path)!r}"
        )
    report = LabelStudioReport()
    decisions = label_studio_decisions(read_export(path), run.finished(), report)
    return report.lines(), import_decisions(decisions, run.finished(), run.folder.decisions)
