"""`Writer`: receives labelled images one by one and writes a file or folder, all or nothing.

A format subclasses `FileWriter` or `FolderWriter` and defines `_add` and `_finish`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from instructsam.errors import InputError
from instructsam.exports.labelled_image import LabelledImage
from instructsam.structures.files import reason, write_json
from instructsam.structures.pending import PendingFile, PendingFolder

MARKER = ".instructsam-export.json"
"""The file that says that a folder is an export and may be replaced by a newer one."""

RENAMED = "images have another name than their file, one that is valid and different on every file system"


class Writer(ABC):
    """A context manager: `add` each image, then `close`; an exception inside the block abandons the export.

    Attributes:
        path: the file or folder, which appears on `close`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._counts: Counter[str] = Counter()
        self._open = True

    @property
    def notes(self) -> tuple[str, ...]:
        """Losses for the user: data that the format cannot hold or that was left out, with counts."""
        return tuple(f"{self.path.name}: {text} ({count})" for text, count in self._counts.items())

    def add(self, image: LabelledImage) -> None:
        """Write one image with its instances.

        Raises:
            InputError: the image cannot be written in this format, or writing failed.
        """
        try:
            self._add(image)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from error

    def close(self) -> tuple[Path, ...]:
        """Complete the export and move it to its path; returns what was written.

        Raises:
            InputError: writing failed; nothing of this export is left.
        """
        if not self._open:
            return (self.path,)
        try:
            self._finish()
            self._commit()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from error
        finally:
            self.abandon()
        return (self.path,)

    def abandon(self) -> None:
        """Remove what was written so far; does nothing after `close`."""
        self._open = False
        self._discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _count(self, text: str, number: int = 1) -> None:
        """Add to the count of a note, such as "instances without pixels are left out"."""
        if number:
            self._counts[text] += number

    def _filled(self, image: LabelledImage) -> list[int]:
        """The instances that have pixels; the others are counted."""
        areas = image.instances.areas
        self._count("instances without pixels are left out", int((areas == 0).sum()))
        return [index for index, area in enumerate(areas) if area]

    @abstractmethod
    def _add(self, image: LabelledImage) -> None:
        """Write one image."""

    @abstractmethod
    def _finish(self) -> None:
        """Write what comes after the last image."""

    @abstractmethod
    def _commit(self) -> None: ...

    @abstractmethod
    def _discard(self) -> None: ...


class FileWriter(Writer):
    """Base of formats of one file, which name the images; subclasses write to it with `_write`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = PendingFile(path)

    def add(self, image: LabelledImage) -> None:
        """Write one image with its instances. Raises as `Writer.add`."""
        self._count(RENAMED, int(image.path is not None and not str(image.path).endswith(image.name)))
        super().add(image)

    def _write(self, text: str) -> None:
        """Append text as UTF-8; halves of characters become escapes."""
        self._file.stream.write(text.encode("utf-8", errors="backslashreplace"))

    def _commit(self) -> None:
        self._file.commit()

    def _discard(self) -> None:
        self._file.discard()


class FolderWriter(Writer):
    """Base of formats of one folder; subclasses write into `_folder`.

    Args:
        path: new, empty, or an earlier export, which is replaced unless one of its files was changed.
        format_name: recorded in `MARKER`.
    """

    def __init__(self, path: Path, format_name: str) -> None:
        super().__init__(path)
        _check_unchanged(path)
        self._pending = PendingFolder(path, MARKER)
        self._facts: dict[str, Any] = {"format": format_name}

    @property
    def _folder(self) -> Path:
        """The folder to write into; it is moved to `path` on `close`."""
        return self._pending.path

    def _finish(self) -> None:
        """Nothing follows the last image; formats with an index override this."""

    def _commit(self) -> None:
        write_json(self._folder / MARKER, self._facts)
        self._pending.commit()

    def _discard(self) -> None:
        self._pending.discard()


def _check_unchanged(folder: Path) -> None:
    """Refuse to replace an earlier export with files that were changed or added, such as corrected labels.

    The marker is the last file that an export writes.

    Raises:
        InputError: a file is newer than the marker.
    """
    if not (folder / MARKER).is_file():
        return
    written = (folder / MARKER).stat().st_mtime_ns
    for path in folder.rglob("*"):
        if not path.is_dir() and path.lstat().st_mtime_ns > written:
            raise InputError(
                f"{path} was changed or added after the export: choose another folder, or remove {folder} to replace it"
            )
