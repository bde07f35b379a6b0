"""Pictures of rows for vision-language models: clean and with numbered marks, in memory for a few rows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from PIL import Image

from instructsam.data.regions import region_code
from instructsam.engine.row_images import RowImages
from instructsam.engine.rows import ImageRow
from instructsam.errors import InputError
from instructsam.structures.masks import decode_cropped
from instructsam.structures.safe_text import one_line
from instructsam.visualization.marks import Mark, draw_marks
from instructsam.visualization.patches import Patch, fit

_FULL_ROWS = 4  # images at full size that are kept for models in this process


class RowPictures:
    """Pictures of rows (`stages.base.Pictures`); threads may share it."""

    def __init__(self, images: RowImages, max_side: int = 1024, min_side: int = 512, rows: int = 32) -> None:
        """
        Args:
            images: loads the images.
            max_side: px of the longer side; larger images are shrunk.
            min_side: px of the longer side of marked pictures; smaller images are enlarged, so that numbers fit.
            rows: pictures of each kind that are kept in memory.
        """
        self.images, self.max_side, self.min_side = images, max_side, min(min_side, max_side)
        self._clean, self._marked = _Recent(rows), _Recent(rows)
        self._full = _Recent(_FULL_ROWS)

    def full(self, row: ImageRow) -> Image.Image:
        """The image at the size that the row states; a model that keeps features of an image gets the same object.

        Raises:
            InputError: it cannot be loaded.
        """
        return self._full.get(row.image, lambda: self.images.load(row))

    def clean(self, row: ImageRow) -> Image.Image:
        """The image itself, shrunk to `max_side`.

        Raises:
            InputError: it cannot be loaded.
        """
        return self._clean.get(row.image, lambda: self._load(row))

    def marked(self, row: ImageRow) -> Image.Image:
        """The image with the numbered outlines of the row's objects.

        Raises:
            InputError: it cannot be loaded, a mask is empty, or there is no room for all numbers.
        """
        return self._marked.get(row.digest, lambda: self._draw(row))

    def _load(self, row: ImageRow) -> Image.Image:
        image = self.images.load(row)
        return fit(image, _scaled(image.size, self.max_side / max(image.size), most=1.0))

    def _draw(self, row: ImageRow) -> Image.Image:
        image = self.clean(row)
        image = fit(image, _scaled(image.size, self.min_side / max(image.size), least=1.0))
        marks = [
            Mark(Patch(*place, inside), instance.known)
            for instance in row.instances
            for place, inside in [decode_cropped(region_code(instance, row.image))]
        ]
        try:
            drawn, missing = draw_marks(image, marks, (row.image.width, row.image.height))
        except InputError as error:
            raise InputError(f"row {one_line(row.id)!r}: {error}") from error
        if missing:
            raise InputError(
                f"row {one_line(row.id)!r}: there is no room for the numbers {', '.join(map(str, missing))} of "
                f"{len(marks)} objects at {image.width} x {image.height} px: lower propose.max_objects or raise "
                "propose.max_side"
            )
        return drawn


class _Recent:
    """The pictures that were used last. Two threads may make the same one, which costs time alone."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pictures: OrderedDict[Hashable, Image.Image] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Image.Image]) -> Image.Image:
        """The picture of this key, made where it is not kept."""
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        picture = make()
        with self._lock:
            self._pictures[key] = picture
            while len(self._pictures) > self._count:
                self._pictures.popitem(last=False)
        return picture


def _scaled(size: tuple[int, int], factor: float, most: float = 1e9, least: float = 0.0) -> tuple[int, int]:
    """(width, height) times a factor that is limited."""
    factor = max(min(factor, most), least)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
