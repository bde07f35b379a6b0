"""The images of rows, wherever they are: files, rows of a table, drawn scenes, objects of a cloud store."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from PIL import Image

from instructsam.engine.rows import ImageRow


class RowImages(Protocol):
    """Loads the images that rows name. It is sent to other processes, so it must be picklable."""

    def load(self, row: ImageRow) -> Image.Image:
        """The decoded image, RGB and upright, of the size that the row states.

        Raises:
            InputError: it is missing, damaged or of another size.
        """
        ...

    def path(self, row: ImageRow) -> Path | None:
        """Its file on this machine; None where it is none."""
        ...

    def content(self, row: ImageRow) -> bytes:
        """The bytes of its file, as they are stored, or of a PNG file of a drawn image.

        Raises:
            InputError: it cannot be read.
        """
        ...
