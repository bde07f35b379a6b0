"""`instructsam engine review`, without the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from instructsam.engine.review.decisions import read_decisions
from instructsam.engine.review.label_studio_tasks import embedded, local_files, url_prefix, write_tasks
from instructsam.engine.review.page import PER_PAGE, PagesReport, write_pages
from instructsam.engine.review.queue import ReviewItem, review_queue
from instructsam.engine.review.report import ReviewReport
from instructsam.engine.review.run_review import import_file, page_key
from instructsam.engine.stages.pictures import RowPictures
from instructsam.experiments.engine.opened import Run
from instructsam.experiments.engine.source import open_source

_IMAGE_SIDE = 2048  # px of the images that crops of small objects are cut from


def open_queue(run: Run, sample: int = 0, rejected: bool = False) -> list[ReviewItem]:
    """The candidates that wait for a person, without those that have a decision.

    Args:
        sample: accepted candidates to add, which measure the precision of the engine.
        rejected: whether all rejected ones are added.
    """
    return review_queue(run.finished(), sample, rejected, read_decisions(run.folder.decisions).latest)


def write_html(
    run: Run,
    items: list[ReviewItem],
    path: Path,
    embed: bool = True,
    per_page: int = PER_PAGE,
    progress: Callable[[int], None] | None = None,
) -> PagesReport:
    """Write the queue as one page, or as several with an index; see `write_pages`."""
    side = max(_IMAGE_SIDE, run.config.propose.max_side)
    pictures = RowPictures(open_source(run.config).images, side)
    key = page_key(run.config)
    return write_pages(items, pictures, path, key, per_page=per_page, embed=embed, progress=progress)


def write_label_studio(
    run: Run, items: list[ReviewItem], path: Path, prefix: str | None, folder: str | None = None
) -> list[Path]:
    """Write the queue as tasks of Label Studio, and the labelling interface beside them.

    Args:
        prefix: of the addresses of images.
        folder: of the images below Label Studio's document root; without both the images are embedded.
    """
    if prefix is not None:
        url = url_prefix(prefix)
    elif folder is not None:
        url = local_files(folder)
    else:
        url = embedded(open_source(run.config).images)
    return write_tasks(items, url, path)


def import_review(run: Run, path: Path) -> tuple[list[str], ReviewReport]:
    """Keep the decisions of a file in the folder of the run.

    Args:
        path: decisions that the page saved, or a JSON export of Label Studio.

    Returns:
        Lines about an export of Label Studio, and the decisions by their effect.

    Raises:
        InputError: the file cannot be read, or is something else.
    """
    report, exported = import_file(path, run.finished, run.folder.decisions)
    return [] if exported is None else exported.lines(), report


def summarize(run: Run) -> ReviewReport:
    """The effect of all decisions, and the agreement of people with the engine."""
    report = ReviewReport()
    for _ in run.reviewed(report):
        pass
    return report
