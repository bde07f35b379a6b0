"""The test images that a configuration keeps out of training: `data.exclude` (docs/data.md)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from instructsam.data.exclusion import BenchmarkImages, exclude
from instructsam.data.formats.reader import RecordReader
from instructsam.data.hash_cache import HashCache
from instructsam.data.image_store import FolderImages
from instructsam.data.published import PUBLISHED, Published
from instructsam.data.record import read_records
from instructsam.errors import ConfigError
from instructsam.images.folders import IMAGE_SUFFIXES
from instructsam.structures.file_names import is_system_file
from instructsam.training.data_settings import DataSettings

KNOWN = "known"  # in `data.exclude`: every test set in the data folder
CACHE = ".image_hashes.sqlite"  # in the data folder


class ExcludedImages:
    """The images that `data.exclude` names; they are listed when the first source is read.

    Raises:
        ConfigError: a name is neither a test set that is there nor a path.
    """

    def __init__(self, data: DataSettings) -> None:
        self.data = data
        self.folder = Path(data.folder) if data.folder else None
        named = {known.name: known for known in PUBLISHED}
        self.sets: list[Published] = []
        self.paths: list[Path] = []
        for name in (KNOWN,) if data.exclude is None else data.exclude:
            if name == KNOWN:
                self.sets += [] if self.folder is None else _known_tests(self.folder)
            elif name in named:
                self.sets.append(_checked(named[name], self.folder))
            else:
                self.paths.append(_path(name))

    def keep_out(self, reader: RecordReader, is_published: bool) -> RecordReader:
        """The reader without records about these images; by default for published sets only."""
        if not (self.sets or self.paths) or (self.data.exclude is None and not is_published):
            return reader
        folder = reader.images.folder if isinstance(reader.images, FolderImages) else None
        return replace(reader, read=lambda tally: exclude(reader.read(tally), self.images, folder, tally))

    @cached_property
    def images(self) -> BenchmarkImages:
        """The images, listed now."""
        cache = None if self.folder is None else self.folder / CACHE
        tests = BenchmarkImages(HashCache(cache), self.data.exclude_by_pixels)
        for known in self.sets:
            if self.folder is not None:
                tests.add(known.name, self.folder, known.image_files(self.folder))
        for path in self.paths:
            tests.add(str(path), *_images_of(path))
            if not tests.counts[str(path)]:
                raise ConfigError(
                    f"data.exclude: expected images to exclude in {str(path)!r}, got none: correct the path"
                )
        counts = ", ".join(f"{count} of {name}" for name, count in tests.counts.items())
        logging.getLogger(__name__).info("images kept out of training: %s", counts)
        return tests


def _known_tests(folder: Path) -> list[Published]:
    return [known for known in PUBLISHED if not known.train and known.has_annotations(folder)]


def _checked(known: Published, folder: Path | None) -> Published:
    if folder is None or not known.has_annotations(folder):
        raise ConfigError(
            f"data.exclude: {known.name} needs {', '.join(known.files)} in data.folder, got {str(folder or '')!r}: get "
            f"{known.publisher}, or leave it out"
        )
    return known


def _path(name: str) -> Path:
    path = Path(name)
    if not path.exists():
        raise ConfigError(
            f"data.exclude must list {KNOWN}, names of published test sets, files of Inst2Seg records, or folders of "
            f"images; got {name!r}, which is none of these"
        )
    return path


def _images_of(path: Path) -> tuple[Path, Iterable[str]]:
    file = path / "records.jsonl" if (path / "records.jsonl").is_file() else path
    if file.is_file():
        return file.parent, (record.image.file for record in read_records(file))
    found = sorted(image for image in path.rglob("*") if image.suffix.lower() in IMAGE_SUFFIXES)
    return path, (image.relative_to(path).as_posix() for image in found if not is_system_file(image.name))
