"""PNG: a label map per image, a mask per instance, or cut-outs with transparency; legend.json explains the values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.errors import InputError
from instructsam.exports.categories import Categories, Classes
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.names import UniqueNames
from instructsam.exports.options import ExportOptions
from instructsam.exports.writer import FolderWriter
from instructsam.structures.masks import mask_boxes_xyxy

_MOST_VALUES = np.iinfo(np.uint16).max
_HIDDEN = "instances are covered by others of a higher score and have no pixel in their label map"


class Options(ExportOptions):
    """Options of `png`.

    Attributes:
        content: "map": one label map per image in maps/, background 0; "masks": one black and white image per instance
            in masks/; "cutouts": the pixels of each instance with transparency in cutouts/; "all" of them.
        values: of a label map: the number of the "instance" in its image, from 1, or that of its "class", from 1.
        classes: class names in order; None takes the labels in the order in which they appear.
    """

    content: Literal["map", "masks", "cutouts", "all"] = "map"
    values: Literal["instance", "class"] = "instance"
    classes: Classes = None


def open_writer(path: Path, options: Options) -> FolderWriter:
    """A writer of one folder."""
    return _Writer(path, options)


class _Writer(FolderWriter):
    def __init__(self, path: Path, options: Options) -> None:
        super().__init__(path, "png")
        self._options = options
        self._categories = Categories(options.classes, first=1)
        self._names = UniqueNames()
        self._legend = (self._folder / "legend.json").open("w", encoding="utf-8", errors="backslashreplace")
        self._legend.write('{"images": [')
        self._images = 0

    def _add(self, image: LabelledImage) -> None:
        self._categories.add(image)
        stem = self._names.stem(image.name)
        height, width = image.size
        entry: dict[str, Any] = {"name": image.name, "height": height, "width": width}
        filled = self._filled(image)
        if self._options.content in ("map", "all"):
            entry["map"] = f"maps/{stem}.png"
            self._save(self._map(image, filled), entry["map"])
        boxes = mask_boxes_xyxy(image.instances.masks).astype(int)
        entry["instances"] = [
            self._instance(image, index, stem, boxes[index].tolist(), number)
            for number, index in enumerate(filled, start=1)
        ]
        self._legend.write((",\n" if self._images else "\n") + json.dumps(entry))
        self._images += 1

    def _instance(
        self, image: LabelledImage, index: int, stem: str, box: list[int], number: int
    ) -> dict[str, Any]:
        """Write the files of an instance; returns its entry in the legend."""
        label = image.labels[index]
        entry: dict[str, Any] = {
            "value": self._value(image, index, number),
            "label": label,
            "instruction": image.instructions[index],
            "score": float(image.instances.scores[index]),
            "box_xyxy": box,
        }
        mask = image.instances.masks[index]
        if self._options.content in ("masks", "all"):
            entry["mask"] = f"masks/{stem}/{number:04d}.png"
            self._save(Image.fromarray(mask.view(np.uint8) * np.uint8(255)), entry["mask"])
        if self._options.content in ("cutouts", "all"):
            entry["cutout"] = f"cutouts/{stem}/{number:04d}.png"
            left, top, right, bottom = box
            cut = image.pixels().crop((left, top, right, bottom)).convert("RGBA")
            cut.putalpha(Image.fromarray(mask[top:bottom, left:right].astype(np.uint8) * np.uint8(255)))
            self._save(cut, entry["cutout"])
        return entry

    def _value(self, image: LabelledImage, index: int, number: int) -> int:
        return number if self._options.values == "instance" else self._categories[image.labels[index]]

    def _map(self, image: LabelledImage, filled: list[int]) -> Image.Image:
        """The label map: 8 bits per pixel where the values fit, else 16; higher scores cover lower ones."""
        values = [self._value(image, index, number) for number, index in enumerate(filled, start=1)]
        if max(values, default=0) > _MOST_VALUES:
            raise InputError(
                f"{image.name}: a label map holds at most {_MOST_VALUES} values, got {max(values)}: export "
                "content='masks'"
            )
        kind = np.uint8 if max(values, default=0) <= np.iinfo(np.uint8).max else np.uint16
        found: NDArray[Any] = np.zeros(image.size, kind)
        places = sorted(range(len(filled)), key=lambda place: image.instances.scores[filled[place]])
        for place in places:
            found[image.instances.masks[filled[place]]] = values[place]
        if self._options.values == "instance":
            self._count(_HIDDEN, len(set(values) - set(np.unique(found).tolist())))
        return Image.fromarray(found)

    def _save(self, picture: Image.Image, name: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)

    def _finish(self) -> None:
        classes = json.dumps(self._categories.numbers)
        self._legend.write(f'\n],\n"background": 0,\n"classes": {classes}}}\n')
        self._legend.close()

    def _discard(self) -> None:
        self._legend.close()
        super()._discard()
