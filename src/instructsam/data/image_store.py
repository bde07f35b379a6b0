"""Images of a source's records: files in a folder, or rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instructsam.data.record import Record
from instructsam.errors import InputError
from instructsam.images.loader import load_image, load_smaller, read_size, size_mismatch
from instructsam.structures.file_names import find_file
from instructsam.structures.safe_text import one_line


class ImageStore(Protocol):
    """Loads the images that records name. It is sent to loader workers, so it must be picklable."""

    def has(self, file: str) -> bool:
        """Whether there is an image of this name (`Record.image.file`); it is not decoded."""

    def place(self, file: str) -> str:
        """Where it is, for messages."""

    def load(self, record: Record, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """uint8 [H, W, 3], RGB and upright, of the size that the record states, or of a smaller (height, width).

        Raises:
            InputError: it is missing, damaged or of another size.
        """


class FolderImages:
    """Image files in a folder; names are relative to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, file: str) -> bool:
        """Whether the file is there."""
        return find_file(self.folder, file).is_file()

    def place(self, file: str) -> str:
        """Its path."""
        return str(self.folder / file)

    def load(self, record: Record, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The decoded file."""
        path = find_file(self.folder, record.image.file)
        stated = (record.image.height, record.image.width)
        if size is None or size == stated:
            image = np.asarray(load_image(path).image)
            found = (image.shape[0], image.shape[1])
        else:
            found = read_size(path)
            image = np.asarray(load_smaller(path, size))
        if found != stated:
            raise InputError(f"record {one_line(record.id)!r}: {size_mismatch(path, found, stated)}")
        return image
