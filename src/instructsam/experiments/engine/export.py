"""`instructsam engine export`, without the command line."""

from __future__ import annotations

from instructsam.data.exclusion import BenchmarkImages
from instructsam.data.hash_cache import HashCache
from instructsam.engine.export_run import RunExport, export_run
from instructsam.engine.filters.images import RowPictures
from instructsam.experiments.engine.opened import Run
from instructsam.experiments.engine.source import open_source
from instructsam.experiments.excluded_images import ExcludedImages
from instructsam.training.data_settings import DataSettings

HASHES = ".image_hashes.sqlite"
"""Hashes of images, in the folder of the run."""


def export_opened(run: Run) -> RunExport:
    """Filter, balance and write the accepted candidates of a run, see `engine.export_run`.

    Raises:
        InputError: nothing is left to write, an image is missing, or the destination holds something else.
        MissingExtraError: a package of a filter or format is not installed.
    """
    images = open_source(run.config).images
    pictures = RowPictures(images, HashCache(run.folder.root / HASHES))
    with run.folder.open_ledger() as ledger:
        return export_run(
            run.config, run.folder, ledger, run.stages, run.outcome, images, pictures, _benchmarks(run)
        )


def _benchmarks(run: Run) -> BenchmarkImages | None:
    """The images that no data set may hold; None for none."""
    filters = run.config.filters
    data = DataSettings(
        source="world",
        folder=run.config.source.folder,
        exclude=filters.exclude,
        exclude_by_pixels=filters.exclude_by_pixels,
    )
    excluded = ExcludedImages(data)
    return excluded.images if excluded.sets or excluded.paths else None
