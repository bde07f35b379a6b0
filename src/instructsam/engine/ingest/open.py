"""The source of rows that settings name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from instructsam.data.detect import FORMATS, formats, split_name
from instructsam.data.formats.reader import RecordReader
from instructsam.data.formats.table import HUB
from instructsam.data.image_store import FolderImages
from instructsam.data.published import PUBLISHED
from instructsam.engine.ingest.folder import FolderRows, UrlImages, UrlRows
from instructsam.engine.ingest.records import RecordRows
from instructsam.engine.ingest.source import RowSource
from instructsam.engine.ingest.world import PREFIX, WorldRows
from instructsam.engine.ledger.folders import is_url
from instructsam.engine.row_images import StoreImages
from instructsam.engine.settings.source import SourceSettings
from instructsam.errors import ConfigError


def open_rows(
    settings: SourceSettings, find_reader: Callable[[], RecordReader], variant: str = ""
) -> RowSource:
    """The source of a run; its annotations are not read yet.

    Args:
        settings: name it.
        find_reader: the reader of `settings.data`, called where it is a source of records.
        variant: differs when the reader gives other records for other reasons than its files and `settings`.

    Raises:
        ConfigError: there is no such source, or nothing would propose objects of its images.
    """
    name = settings.data
    if name.startswith(PREFIX) and not Path(name).exists():
        return WorldRows.open(settings)
    if is_url(name):
        _check_detector(settings)
        return UrlRows(UrlImages(name), settings)
    if _is_image_folder(name):
        _check_detector(settings)
        return FolderRows(Path(name), settings)
    reader = find_reader()
    files = tuple(_files_of(name, settings, reader))
    if is_url(settings.images):
        return RecordRows(reader, settings, UrlImages(settings.images), files, variant)
    return RecordRows(reader, settings, StoreImages(reader.images), files, variant)


def _is_image_folder(name: str) -> bool:
    """Whether a path is a folder in which no data of a known format is found."""
    path, split = split_name(name)
    is_known = any(published.name == name for published in PUBLISHED)
    return not is_known and path.is_dir() and not any(form.find(path, split) for form in FORMATS)


def _check_detector(settings: SourceSettings) -> None:
    if not settings.detector:
        raise ConfigError(
            f"source.data: {settings.data!r} has images alone, without objects: set source.detector to a model that "
            f"proposes them, or name data of a known format: {formats()}"
        )


def _files_of(name: str, settings: SourceSettings, reader: RecordReader) -> Sequence[Path]:
    """The files and folders that a reader reads; none for a table of the hub."""
    published = next((known for known in PUBLISHED if known.name == name), None)
    if published is not None:
        return [Path(settings.folder, file) for file in (*published.files, published.images)]
    if name.startswith(HUB):
        return []
    images = [reader.images.folder] if isinstance(reader.images, FolderImages) else []
    return [split_name(name)[0], *images]
