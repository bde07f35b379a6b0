"""The images of rows, wherever they are: files, rows of a table, drawn scenes, objects of a cloud store."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from instructsam.data.formats.table import TableImages
from instructsam.data.image_store import FolderImages, ImageStore
from instructsam.data.record import PhraseRecord, Record
from instructsam.engine.rows import ImageRow
from instructsam.engine.world_rows import world_image
from instructsam.errors import InputError
from instructsam.structures.file_names import find_file
from instructsam.structures.files import reason


class RowImages(Protocol):
    """Loads the images that rows name. It is sent to other processes, so it must be picklable."""

    def has(self, file: str) -> bool:
        """Whether there is an image of this name (`ImageRef.file`); it is not decoded."""
        ...

    def place(self, file: str) -> str:
        """Where it is, for messages."""
        ...

    def load(self, row: ImageRow) -> Image.Image:
        """The decoded image, RGB and upright, of the size that the row states.

        Raises:
            InputError: it is missing, damaged or of another size.
        """
        ...

    def path(self, row: ImageRow) -> Path | None:
        """Its file on this machine; None for an image that is no file here."""
        ...

    def content(self, row: ImageRow) -> bytes:
        """The bytes of its file, as they are stored, or of a PNG file of a drawn image.

        Raises:
            InputError: it cannot be read.
        """
        ...


@dataclass(frozen=True)
class StoreImages:
    """The images of a source of records."""

    store: ImageStore

    def has(self, file: str) -> bool:
        """Whether the store has it."""
        return self.store.has(file)

    def place(self, file: str) -> str:
        """Its path, or its row in a table."""
        return self.store.place(file)

    def load(self, row: ImageRow) -> Image.Image:
        """The decoded image."""
        return Image.fromarray(self.store.load(as_record(row)))

    def path(self, row: ImageRow) -> Path | None:
        """The file of an image in a folder, or of a table of paths."""
        if isinstance(self.store, FolderImages):
            return find_file(self.store.folder, row.image.file)
        return self._of_table(row)[1]

    def content(self, row: ImageRow) -> bytes:
        """The bytes of the file or of the table's row."""
        path = self.path(row)
        if path is not None:
            return read_file(path)
        content = self._of_table(row)[0]
        return png(self.load(row)) if content is None else content

    def _of_table(self, row: ImageRow) -> tuple[bytes | None, Path | None]:
        if not isinstance(self.store, TableImages):
            return None, None
        content, path = self.store.table.stored(int(row.image.file.split("/", 1)[0]))
        return content, None if content is not None else path


@dataclass(frozen=True)
class DrawnImages:
    """The images of drawn scenes."""

    def has(self, file: str) -> bool:
        """Every scene can be drawn."""
        return True

    def place(self, file: str) -> str:
        """The name of the scene."""
        return f"the drawn scene {file}"

    def load(self, row: ImageRow) -> Image.Image:
        """The scene, drawn again."""
        return world_image(row)

    def path(self, row: ImageRow) -> Path | None:
        """There is no file."""
        return None

    def content(self, row: ImageRow) -> bytes:
        """A PNG file."""
        return png(world_image(row))


def as_record(row: ImageRow) -> Record:
    """A record about the image of a row, for stores of images."""
    return Record(row.id, row.image, "the image", (PhraseRecord("the image", ()),))


def png(image: Image.Image) -> bytes:
    """The bytes of a PNG file, the same ones every time."""
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def read_file(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the image cannot be read ({reason(error)}): put the file there") from error
