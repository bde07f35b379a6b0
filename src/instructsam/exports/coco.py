"""COCO: one dataset file for many images, or a list of results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from instructsam.exports.categories import Categories, Classes
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.options import ExportOptions, Tolerance
from instructsam.exports.polygons import INSET, keyhole_ring, mask_polygons
from instructsam.exports.writer import FileWriter
from instructsam.structures.masks import encode_rle

_INFO = {"description": "Instances segmented by instructsam"}


class Options(ExportOptions):
    """Options of `coco`.

    Attributes:
        results: False: a dataset with images, annotations and categories; True: a list of results, as COCO's evaluation
            takes; None: a dataset in a file, results in memory.
        coding: of the masks: "rle", exact, or "polygon".
        tolerance: of polygons, px.
        classes: category names in order; None takes the labels in the order in which they appear.
        image_id: of the first image; the next ones count up.
    """

    results: bool | None = None
    coding: Literal["rle", "polygon"] = "rle"
    tolerance: Tolerance = 1.0
    classes: Classes = None
    image_id: int = 1


def open_writer(path: Path, options: Options) -> FileWriter:
    """A writer of one JSON file."""
    return _Results(path, options) if options.results else _Dataset(path, options)


def convert(images: Iterable[LabelledImage], options: Options) -> Any:
    """The content of the file: a list of results, or the dataset as a dict. Instances without pixels are kept."""
    categories = Categories(options.classes, first=1)
    found: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for image_id, image in enumerate(images, start=options.image_id):
        categories.add(image)
        entries.append(_image_entry(image, image_id))
        found += _rows(image, range(len(image.instances)), image_id, categories, options)
    if options.results is not False:
        return found
    annotations = [_annotation(row, number) for number, row in enumerate(found, start=1)]
    return _frame() | {"images": entries, "annotations": annotations, "categories": _table(categories)}


class _Results(FileWriter):
    """A list of results, one line each."""

    def __init__(self, path: Path, options: Options) -> None:
        super().__init__(path)
        self._options = options
        self._categories = Categories(options.classes, first=1)
        self._image_id = options.image_id - 1
        self._rows = 0

    def _add(self, image: LabelledImage) -> None:
        self._image_id += 1
        self._categories.add(image)
        for row in _rows(image, self._filled(image), self._image_id, self._categories, self._options):
            self._write(("[\n" if not self._rows else ",\n") + json.dumps(self._line(row)))
            self._rows += 1

    def _line(self, row: dict[str, Any]) -> dict[str, Any]:
        return row

    def _finish(self) -> None:
        self._write("\n]\n" if self._rows else "[]\n")


class _Dataset(_Results):
    """A dataset; the annotations come first, since they are written while the images are still arriving."""

    def __init__(self, path: Path, options: Options) -> None:
        super().__init__(path, options)
        self._entries: list[str] = []
        self._write(json.dumps(_frame())[:-1] + ',\n"annotations": ')

    def _add(self, image: LabelledImage) -> None:
        super()._add(image)
        self._entries.append(json.dumps(_image_entry(image, self._image_id)))

    def _line(self, row: dict[str, Any]) -> dict[str, Any]:
        return _annotation(row, self._rows + 1)

    def _finish(self) -> None:
        super()._finish()
        entries = ",\n".join(self._entries)
        self._write(f',"images": [\n{entries}\n],\n"categories": {json.dumps(_table(self._categories))}}}\n')


def _frame() -> dict[str, Any]:
    return {"info": _INFO, "licenses": []}


def _image_entry(image: LabelledImage, image_id: int) -> dict[str, Any]:
    height, width = image.size
    return {"id": image_id, "file_name": image.name, "width": width, "height": height}


def _table(categories: Categories) -> list[dict[str, Any]]:
    return [{"id": number, "name": name, "supercategory": ""} for name, number in categories.numbers.items()]


def _rows(
    image: LabelledImage, chosen: Iterable[int], image_id: int, categories: Categories, options: Options
) -> Iterator[dict[str, Any]]:
    """One result per instance: mask, bbox x y width height px, area px, score, label."""
    found = image.instances
    boxes, areas = found.boxes_xywh, found.areas
    for index in chosen:
        mask = found.masks[index]
        segmentation: Any
        if options.coding == "polygon":
            polygons = mask_polygons(mask, options.tolerance, INSET)
            segmentation = [keyhole_ring(polygon).ravel().tolist() for polygon in polygons]
        else:
            segmentation = encode_rle(mask)
        yield {
            "image_id": image_id,
            "category_id": categories[image.labels[index]],
            "segmentation": segmentation,
            "bbox": [float(value) for value in boxes[index]],
            "area": int(areas[index]),
            "score": float(found.scores[index]),
            "phrase": image.labels[index],
        }


def _annotation(row: dict[str, Any], number: int) -> dict[str, Any]:
    """An annotation of a dataset. Never a crowd, whatever its coding: each instance is one object."""
    return {"id": number, "iscrowd": 0} | {name: value for name, value in row.items() if name != "phrase"}
