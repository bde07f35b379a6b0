"""`instructsam engine export`, without the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructsam.data.exclusion import BenchmarkImages
from instructsam.data.hash_cache import HashCache
from instructsam.engine.filters.images import SmallCopies
from instructsam.engine.ingest.ingest import read_report
from instructsam.engine.review.report import ReviewReport
from instructsam.engine.selection import select
from instructsam.engine.selection_report import SelectionReport
from instructsam.engine.write.export import ExportReport, export
from instructsam.engine.write.provenance import run_facts
from instructsam.engine.write.selected import select_accepted
from instructsam.experiments.engine.opened import Run
from instructsam.experiments.engine.source import open_source
from instructsam.experiments.excluded_images import ExcludedImages
from instructsam.training.data_settings import DataSettings

HASHES = ".image_hashes.sqlite"
"""Hashes of images, in the folder of the run."""


@dataclass(frozen=True)
class RunExport:
    """The result of an export: decisions of people, the selection, and the written files."""

    review: ReviewReport
    selection: SelectionReport
    written: ExportReport

    def lines(self) -> list[str]:
        """For a terminal."""
        people = self.review.lines() if self.review.applied else []
        return [*people, *self.selection.lines(), *self.written.lines()]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "review": self.review.to_dict(),
            "selection": self.selection.to_dict(),
            "written": self.written.to_dict(),
        }


def export_run(run: Run, destination: str | Path | None = None) -> RunExport:
    """Filter, balance and write the accepted candidates of a run.

    Args:
        run: from `open_run`.
        destination: new folder or URL of fsspec; None for `write.folder`, or else `export` in the folder of the run.

    Raises:
        InputError: nothing is left to write, an image is missing, or the destination holds something else.
        MissingExtraError: a package of a filter or format is not installed.
    """
    config, images = run.config, open_source(run.config).images
    selection, review = SelectionReport(), ReviewReport()
    ingested = read_report(run.folder.root)
    cache = HashCache(run.folder.root / HASHES)
    reports = iter([review])

    def read() -> Any:
        # the second reading counts into a report that nobody reads
        return select_accepted(run.reviewed(next(reports, ReviewReport())))

    selected = select(read, config, selection, SmallCopies(images, cache), _benchmarks(run))
    written = export(
        selected,
        destination or config.write.folder or run.folder.export,
        images,
        run_facts(config, run.stages),
        config.write,
        selection,
        {} if ingested is None else ingested.left_out,
        run.folder.root,
    )
    return RunExport(review, selection, written)


def _benchmarks(run: Run) -> BenchmarkImages | None:
    """The images that no data set may hold; None for none."""
    filters, source = run.config.filters, run.config.source
    data = DataSettings(
        source="world",
        folder=source.folder,
        exclude=filters.exclude,
        exclude_by_pixels=filters.exclude_by_pixels,
    )
    excluded = ExcludedImages(data)
    return excluded.images if excluded.sets or excluded.paths else None
