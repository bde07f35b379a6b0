"""YOLO segmentation: data.yaml, images/ and labels/ with one text file per image.

A row is a class number and the corners of one ring, x y x y ..., as fractions of the image's width and height.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml

from instructsam.exports.categories import Categories, Classes
from instructsam.exports.image_files import LEFT_OUT, Placing, file_name, place_image
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.names import UniqueNames
from instructsam.exports.options import ExportOptions, Tolerance
from instructsam.exports.polygons import INSET, joined_ring, keyhole_ring, mask_polygons
from instructsam.exports.writer import FolderWriter

_RESERVED = ("images", "labels")  # a training program swaps one for the other in a path
_DECIMALS = 6


class Options(ExportOptions):
    """Options of `yolo`.

    Attributes:
        tolerance: of the outlines, px.
        parts: an instance in several parts is one row, joined by lines of no width ("join"), or a row each ("split").
        images: "link", "copy" or "none".
        classes: class names in order; None takes the labels in the order in which they appear.
    """

    tolerance: Tolerance = 1.0
    parts: Literal["join", "split"] = "join"
    images: Placing = "link"
    classes: Classes = None


def open_writer(path: Path, options: Options) -> FolderWriter:
    """A writer of one folder."""
    return _Writer(path, options)


class _Writer(FolderWriter):
    def __init__(self, path: Path, options: Options) -> None:
        super().__init__(path, "yolo")
        self._options = options
        self._categories = Categories(options.classes)
        self._names = UniqueNames()
        for name in _RESERVED:
            (self._folder / name).mkdir()

    def _add(self, image: LabelledImage) -> None:
        self._categories.add(image)
        parts = [part + "_" * (part.lower() in _RESERVED) for part in image.name.split("/")]
        stem = self._names.stem("/".join(parts))
        labels = self._folder / "labels" / f"{stem}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("".join(self._rows(image)), encoding="ascii")
        if self._options.images != "none":
            target = self._folder / "images" / file_name(image, stem)
            self._count(LEFT_OUT, not place_image(image, target, self._options.images))

    def _rows(self, image: LabelledImage) -> list[str]:
        height, width = image.size
        rows = []
        for index in self._filled(image):
            polygons = mask_polygons(image.instances.masks[index], self._options.tolerance, INSET)
            joined = self._options.parts == "join"
            rings = [joined_ring(polygons)] if joined else [keyhole_ring(polygon) for polygon in polygons]
            for ring in rings:
                values = " ".join(
                    f"{value:.{_DECIMALS}f}" for value in (ring / (width, height)).ravel().tolist()
                )
                rows.append(f"{self._categories[image.labels[index]]} {values}\n")
        return rows

    def _finish(self) -> None:
        names = {number: name for name, number in self._categories.numbers.items()}
        top = {"train": "images", "val": "images", "names": names}
        text = yaml.safe_dump(top, sort_keys=False, allow_unicode=True, width=1 << 20)
        (self._folder / "data.yaml").write_text(text, encoding="utf-8")
