"""YOLO labels: one text file per image, one object per row, coordinates relative to the image.

A row is a class number and the corners of an outline (x y x y x y ...), or a box (centre x, centre y, width, height).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from instructsam.data.formats.boxes import Box
from instructsam.data.formats.labelled import CategoryRecords, LabelledObject, instance_from
from instructsam.data.formats.names import spoken
from instructsam.data.formats.reader import ReadOptions
from instructsam.data.formats.source import Node, Tally
from instructsam.data.record import ImageRef, Record
from instructsam.data.vocabulary import Vocabulary
from instructsam.errors import ImageError, RecordError
from instructsam.images.loader import read_size
from instructsam.structures.checks import shorten
from instructsam.structures.files import reason

BROKEN_IMAGE = "images that cannot be read"
_BOX_ROW = 5  # class, centre x, centre y, width, height
_FEWEST_CORNERS = 3
_SLACK = 0.05  # of a side, that a rounded or dragged corner may lie outside the image


@dataclass(frozen=True)
class Row:
    """One row of a label file: a class number, and an outline or a box in fractions of the image's sides."""

    number: int
    values: tuple[float, ...]

    def corners(self, image: ImageRef) -> list[float]:
        """x and y of each corner in pixels; [] for a box."""
        if len(self.values) < 2 * _FEWEST_CORNERS:
            return []
        return [
            value * (image.height if index % 2 else image.width) for index, value in enumerate(self.values)
        ]

    def box(self, image: ImageRef) -> Box:
        """x, y, width, height in pixels of the box, or around the outline."""
        corners = self.corners(image)
        if corners:
            left, top = min(corners[::2]), min(corners[1::2])
            return left, top, max(corners[::2]) - left, max(corners[1::2]) - top
        x, y, width, height = self.values
        sides = width * image.width, height * image.height
        return x * image.width - sides[0] / 2, y * image.height - sides[1] / 2, *sides


class YoloLabels:
    """Images with a label file each.

    Args:
        folder: of which the paths of the images are relative.
        labels: the label file of each image; None where there is none, for an image without objects.
        names: of the classes, by number.
        options: wordings of categories.
        vocabulary: learns which image shows which category.
    """

    def __init__(
        self,
        folder: Path,
        labels: dict[str, Path | None],
        names: dict[int, str],
        options: ReadOptions,
        vocabulary: Vocabulary,
    ) -> None:
        self.folder, self.labels, self.options, self.vocabulary = folder, labels, options, vocabulary
        self.names = {number: spoken(name) for number, name in names.items()}
        for name in self.names.values():
            vocabulary.add(name)

    def read(self, tally: Tally) -> Iterator[Record]:
        """The records, image by image."""
        rows = {
            file: [] if label is None else read_rows(label, self.names) for file, label in self.labels.items()
        }
        used = {row.number for found in rows.values() for row in found}
        names = dict.fromkeys(name for number, name in self.names.items() if number in used)
        records = CategoryRecords(names, self.options, self.vocabulary, tally)
        for file, found in rows.items():
            try:
                image = ImageRef(file, *read_size(self.folder / file))
            except ImageError as error:
                if not self.options.skip_missing:
                    raise
                tally.leave_out(BROKEN_IMAGE, example=str(error))
                continue
            yield from records.of_image(file, image, [self._object(row, image, tally) for row in found])

    def _object(self, row: Row, image: ImageRef, tally: Tally) -> LabelledObject:
        name, corners = self.names[row.number], row.corners(image)
        outline = Node([corners], self.labels[image.file] or self.folder) if corners else None
        return LabelledObject(name, instance_from(outline, row.box(image), image, name, tally))


def read_rows(path: Path, names: dict[int, str]) -> list[Row]:
    """The rows of a label file.

    Raises:
        RecordError: a row is malformed; the message names its line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: the labels cannot be read ({reason(error)})") from error
    return [
        _row(line.split(), names, f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def _row(words: Sequence[str], names: dict[int, str], where: str) -> Row:
    try:
        number, *values = map(float, words)
    except ValueError as error:
        raise RecordError(f"{where}: expected numbers, got {shorten(' '.join(words))}") from error
    if not isfinite(number) or number != int(number) or int(number) not in names:
        raise RecordError(
            f"{where}: expected the number of one of the {len(names)} classes, from {min(names)} to {max(names)}, got "
            f"{words[0]}"
        )
    if len(words) != _BOX_ROW and (len(values) % 2 or len(values) < 2 * _FEWEST_CORNERS):
        raise RecordError(
            f"{where}: expected a class and a box (5 numbers) or a class and x, y of at least {_FEWEST_CORNERS} "
            f"corners, got {len(words)} numbers"
        )
    if not all(isfinite(value) and -_SLACK <= value <= 1 + _SLACK for value in values):
        raise RecordError(
            f"{where}: expected coordinates in [0, 1], as fractions of the image's width and height, got "
            f"{shorten(' '.join(words))}"
        )
    return Row(int(number), tuple(min(max(value, 0.0), 1.0) for value in values))
