"""The protocol of sources of rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from instructsam.data.formats.source import Tally
from instructsam.engine.digests import digest
from instructsam.engine.row_images import RowImages
from instructsam.engine.rows import ImageRow

MISSING = "images that are missing"
UNREADABLE = "images that cannot be read"


class RowSource(Protocol):
    """A source that was found by its name, not yet read."""

    @property
    def images(self) -> RowImages:
        """The images of its rows."""
        ...

    def fingerprint(self) -> str:
        """Differs when its rows may differ; much cheaper than reading them."""
        ...

    def rows(self, tally: Tally) -> Iterator[ImageRow]:
        """The rows, the same ones every time, counting what is left out; some may have no objects."""
        ...


def files_digest(paths: Iterable[Path]) -> str:
    """Differs when one of these files changes in size or time, or a file in one of these folders does."""
    return digest([_stamps(path) for path in paths])


def _stamps(path: Path) -> list[list[str | int]]:
    if not path.is_dir():
        return [_stamp(path, "")] if path.exists() else []
    found = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        found += [_stamp(Path(folder) / name, str(path)) for name in sorted(names)]
    return found


def _stamp(path: Path, base: str) -> list[str | int]:
    try:
        status = path.stat()
    except OSError:  # a link to nowhere
        return [_text(path, base)]
    return [_text(path, base), status.st_size, status.st_mtime_ns]


def _text(path: Path, base: str) -> str:
    return os.fsencode(str(path).removeprefix(base)).decode("utf-8", errors="backslashreplace")
