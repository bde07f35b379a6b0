"""A table of images with labels: Parquet files, or a data set of the Hugging Face hub. Needs the extra `data`.

Rows are read by number from a memory-mapped copy that `datasets` keeps in its cache, so any row is as near as the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.data.record import Record
from instructsam.errors import ImageError, InputError, MissingExtraError, first_line
from instructsam.images.loader import at_size, load_bytes, load_image, read_size, read_size_of_bytes
from instructsam.structures.safe_text import one_line

HUB = "hf:"


@dataclass(frozen=True)
class TablePlace:
    """Where a table is.

    Attributes:
        hub: "ORG/NAME", or "ORG/NAME/CONFIG" of the hub; "" for files.
        files: Parquet files.
        split: of a table of the hub.
    """

    hub: str = ""
    files: tuple[Path, ...] = ()
    split: str = "train"

    def __str__(self) -> str:
        return f"{HUB}{self.hub}:{self.split}" if self.hub else str(self.files[0])


class Table:
    """Rows by number; loaded when the first one is needed.

    Args:
        place: where it is.
        image: name of the column of images.
        folder: to which image paths in the table are relative.
    """

    def __init__(self, place: TablePlace, image: str, folder: Path) -> None:
        self.place, self.image, self.folder = place, image, folder

    @cached_property
    def rows(self) -> Any:
        """The `datasets.Dataset`, its images as stored.

        Raises:
            InputError: it cannot be loaded, or has no column of images.
        """
        datasets = import_datasets()
        try:
            if self.place.hub:
                organisation, name, *config = self.place.hub.split("/")
                found = datasets.load_dataset(f"{organisation}/{name}", *config, split=self.place.split)
            else:
                files = [str(file) for file in self.place.files]
                found = datasets.load_dataset("parquet", data_files=files, split="train")
        except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
            raise InputError(f"{self.place}: the table cannot be loaded ({first_line(cause)})") from error
        self.check(found.column_names, self.image, "image")
        if isinstance(found.features[self.image], datasets.Image):
            found = found.cast_column(self.image, datasets.Image(decode=False))
        return found

    @cached_property
    def images(self) -> Any:
        """The column of images alone, so that no other column is decoded for one."""
        return self.rows.select_columns([self.image])

    @property
    def licence(self) -> str:
        """The licence that the table states, "" for none."""
        return " ".join(str(self.rows.info.license or "").split())

    def check(self, names: list[str], column: str, key: str) -> None:
        """Refuse a table without a column.

        Raises:
            InputError: the message lists the columns that are there.
        """
        if column not in names:
            raise InputError(
                f"{self.place}: there is no column {column!r} (there are {', '.join(names)}): set data.columns.{key} "
                "to the name of the right one"
            )

    def size(self, row: int) -> tuple[int, int]:
        """(height, width) of an image in px, from its header."""
        content, path = self.stored(row)
        return read_size(path) if content is None else read_size_of_bytes(content, self.place_of(row))

    def place_of(self, row: int) -> str:
        """For messages."""
        return f"{self.place}, row {row}"

    def file(self, row: int) -> str:
        """The name of an image in records: its row, and the name of its file if the table has one."""
        stored = self.images[row][self.image]
        path = stored.get("path") if isinstance(stored, dict) else stored
        name = Path(str(path).replace("\\", "/")).name if path else ""
        return f"{row}/{name}" if name else str(row)

    def stored(self, row: int) -> tuple[bytes | None, Path]:
        """The bytes of an image, or None and its path.

        Raises:
            ImageError: the row has neither.
        """
        stored = self.images[row][self.image]
        if isinstance(stored, bytes):
            return stored, self.folder
        if isinstance(stored, dict) and stored.get("bytes"):
            return stored["bytes"], self.folder
        path = stored.get("path") if isinstance(stored, dict) else stored
        if not isinstance(path, str) or not path:
            raise ImageError(f"{self.place_of(row)}: expected an image as bytes or a path, got none")
        return None, self.folder / path


class TableImages:
    """The images of a table (`data.image_store.ImageStore`)."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def has(self, file: str) -> bool:
        """Whether the table has this row, and its image."""
        row = _row(file)
        if not 0 <= row < len(self.table.rows):
            return False
        try:
            content, path = self.table.stored(row)
        except ImageError:
            return False
        return content is not None or path.is_file()

    def place(self, file: str) -> str:
        """The table and its row."""
        return self.table.place_of(_row(file))

    def load(self, record: Record, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The decoded image of a row."""
        row = _row(record.image.file)
        content, path = self.table.stored(row)
        place = self.table.place_of(row)
        loaded = load_image(path) if content is None else load_bytes(content, place)
        image = np.asarray(loaded.image)
        if image.shape[:2] != (record.image.height, record.image.width):
            raise InputError(
                f"record {one_line(record.id)!r}: {place}: the record states {record.image.width} x "
                f"{record.image.height} px, the image has {image.shape[1]} x {image.shape[0]}: correct the table"
            )
        return image if size is None else np.asarray(at_size(loaded.image, size))


def import_datasets() -> Any:
    """The `datasets` package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("tables need datasets: pip install 'instructsam[data]'") from error
    return datasets


def _row(file: str) -> int:
    return int(file.split("/", 1)[0])
