"""Rows from a folder of images alone: local, or at a URL of fsspec such as s3://bucket/photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from instructsam.config import to_dict
from instructsam.data.formats.source import Tally
from instructsam.data.image_store import FolderImages
from instructsam.data.record import ImageRef
from instructsam.data.record_fields import is_path, leaves_folder
from instructsam.engine.digests import digest
from instructsam.engine.ingest.records import source_label
from instructsam.engine.ingest.source import UNREADABLE, files_digest
from instructsam.engine.ledger.folders import open_file_system
from instructsam.engine.row_images import StoreImages
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.source import SourceSettings
from instructsam.errors import ImageError, InputError, first_line
from instructsam.images.folders import IMAGE_SUFFIXES
from instructsam.images.loader import load_bytes, read_size, read_size_of_stream, size_mismatch
from instructsam.inference.image_list import find_images
from instructsam.structures.file_names import is_system_file

ODD_NAME = "images whose names cannot be used in records"
_THREADS = 16  # a header of a cloud store takes as long as its answer
_BLOCK = 512

T = TypeVar("T")
Size = tuple[int, int]


@dataclass(frozen=True)
class FolderRows:
    """The rows of a local folder of images and its subfolders."""

    folder: Path
    settings: SourceSettings

    @property
    def images(self) -> StoreImages:
        """The files."""
        return StoreImages(FolderImages(self.folder))

    def fingerprint(self) -> str:
        """Of the settings, and of sizes and times of the files."""
        return digest([to_dict(self.settings), files_digest([self.folder])])

    def rows(self, tally: Tally) -> Iterator[ImageRow]:
        """One row without objects for each image."""
        names = (found.name for found in find_images([self.folder], recursive=True).found)
        return _rows(names, lambda file: read_size(self.folder / file), self.settings, tally)


@dataclass(frozen=True)
class UrlRows:
    """The rows of a folder of images at a URL."""

    images: UrlImages
    settings: SourceSettings

    def fingerprint(self) -> str:
        """Of the settings, and of the sizes and times or tags of the objects there."""
        found = {file: _stamp(info) for file, info in self.images.files.items()}
        return digest([to_dict(self.settings), found])

    def rows(self, tally: Tally) -> Iterator[ImageRow]:
        """One row without objects for each image; headers are read side by side."""
        return _rows(sorted(self.images.files), self.images.size, self.settings, tally)


class UrlImages:
    """Images at a URL of fsspec; names are relative to it.

    Raises:
        InputError: the protocol is unknown.
        MissingExtraError: its package is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.system, self.root = open_file_system(self.url)

    @cached_property
    def files(self) -> dict[str, dict[str, Any]]:
        """The images that are there, listed once, with what the store tells of them.

        Raises:
            InputError: the store cannot be listed.
        """
        with _as_input_error(self.url, "the images cannot be listed"):
            found = self.system.find(self.root, detail=True)
        start = len(self.root) + 1 if self.root else 0
        names = {str(path)[start:]: info for path, info in found.items()}
        return {name: info for name, info in sorted(names.items()) if _is_image(name)}

    def has(self, file: str) -> bool:
        """Whether it is listed."""
        return file in self.files

    def place(self, file: str) -> str:
        """Its URL."""
        return f"{self.url}/{file}"

    def size(self, file: str) -> Size:
        """(height, width) in px from its header.

        Raises:
            ImageError: the header is damaged.
            InputError: it cannot be read.
        """
        with (
            _as_input_error(self.place(file), "the image cannot be read"),
            self.system.open(self._path(file), "rb") as stream,
        ):
            return read_size_of_stream(stream, self.place(file))

    def load(self, row: ImageRow) -> Image.Image:
        """The decoded image."""
        place = self.place(row.image.file)
        image = load_bytes(self.content(row), place).image
        if image.size != (row.image.width, row.image.height):
            found, stated = (image.height, image.width), (row.image.height, row.image.width)
            raise InputError(size_mismatch(place, found, stated))
        return image

    def path(self, row: ImageRow) -> Path | None:
        """There is no file on this machine."""
        return None

    def content(self, row: ImageRow) -> bytes:
        """The bytes of the object."""
        file = row.image.file
        with _as_input_error(self.place(file), "the image cannot be read"):
            content: bytes = self.system.cat_file(self._path(file))
        return content

    def _path(self, file: str) -> str:
        return f"{self.root}/{file}" if self.root else file


def _rows(
    files: Iterable[str], size_of: Callable[[str], Size], settings: SourceSettings, tally: Tally
) -> Iterator[ImageRow]:
    def named() -> Iterator[str]:
        for file in files:
            if leaves_folder(file) or not is_path(file):
                tally.leave_out(ODD_NAME, example=ascii(file))
            else:
                yield file

    def size(file: str) -> Size | ImageError:
        try:
            return size_of(file)
        except ImageError as error:
            return error

    for file, found in _side_by_side(size, named()):
        if isinstance(found, ImageError):
            tally.leave_out(UNREADABLE, example=str(found))
        else:
            image = ImageRef(file, *found)
            yield ImageRow(file, image, source=source_label(settings.data), licence=settings.licence)


def _side_by_side(call: Callable[[str], T], items: Iterable[str]) -> Iterator[tuple[str, T]]:
    """Each item with its result, in their order; a block is called at a time."""
    rest = iter(items)
    with ThreadPoolExecutor(_THREADS) as pool:
        while block := list(islice(rest, _BLOCK)):
            yield from zip(block, pool.map(call, block), strict=True)


def _is_image(name: str) -> bool:
    parts = name.split("/")
    return (
        Path(parts[-1]).suffix.lower() in IMAGE_SUFFIXES
        and not any(is_system_file(part) for part in parts)
        and bool(parts[-1])
    )


def _stamp(info: dict[str, Any]) -> list[str]:
    """Size, and time or tag, as the store calls them."""
    return [str(info.get(key, "")) for key in ("size", "mtime", "LastModified", "updated", "created", "ETag")]


@contextmanager
def _as_input_error(place: str, what: str) -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except OSError as error:
        raise InputError(f"{place}: {what} ({first_line(error)})") from error
