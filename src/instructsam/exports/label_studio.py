"""Label Studio: tasks with predictions (JSON), and beside them the labelling interface that shows them (XML)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from instructsam.errors import InputError
from instructsam.exports.categories import Categories, Classes
from instructsam.exports.label_studio_interface import (
    IMAGE,
    embedded_url,
    labelling_interface,
    local_file_url,
    prefixed_url,
)
from instructsam.exports.label_studio_regions import region, region_values
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.options import ExportOptions, Tolerance
from instructsam.exports.writer import FileWriter
from instructsam.structures.files import write_text
from instructsam.structures.safe_text import one_line

MAX_UPLOAD = 200_000_000
"""Bytes of a file that Label Studio takes as an upload without changed settings."""
LARGE = f"file has more than {MAX_UPLOAD // 1_000_000} MB, which Label Studio may refuse: export fewer images at a time"
_UNNAMED = "object"


class Options(ExportOptions):
    """Options of `label_studio`.

    Attributes:
        shape: of the regions. "brush" and "bitmask" keep every pixel; of a "polygon" each part becomes a region, and a
            hole is joined to its outline by a cut; a "rectangle" is the box.
        tolerance: of polygons, in px.
        url_prefix: addresses of the images are this and their name: "https://example.org/images", "s3://bucket/images".
        local_files: without a prefix: folder of the images, relative to the document root of Label Studio.
        embed: the tasks hold the images themselves; for a few small ones.
        model_version: of the predictions.
        classes: labels of the interface in order; None takes them in the order in which they appear.
    """

    shape: Literal["brush", "bitmask", "polygon", "rectangle"] = "brush"
    tolerance: Tolerance = 1.0
    url_prefix: str = ""
    local_files: str = ""
    embed: bool = False
    model_version: str = "instructsam"
    classes: Classes = None


class LabelStudioWriter(FileWriter):
    """Writes tasks one by one, and the interface when all labels are known."""

    def __init__(self, path: Path, options: Options) -> None:
        if path.suffix.lower() == ".xml":
            raise InputError(
                f"{path}: expected a JSON file, got the name of the interface beside it: end it in .json"
            )
        super().__init__(path)
        self._options = options
        self._categories = Categories(options.classes)
        self._tasks = self._bytes = 0

    @property
    def interface(self) -> Path:
        """The file with the labelling interface."""
        return self.path.with_suffix(".xml")

    def close(self) -> tuple[Path, ...]:
        """The tasks, then the interface. Raises as `Writer.close`."""
        return (*super().close(), self.interface)

    def _add(self, image: LabelledImage) -> None:
        if self._options.shape != "rectangle":
            self._filled(image)  # counts the others
        self._categories.add(image)
        text = (",\n" if self._tasks else "[\n") + json.dumps(_task(image, self._options), allow_nan=False)
        self._write(text)
        self._tasks += 1
        self._bytes += len(text)

    def _finish(self) -> None:
        self._write("\n]\n" if self._tasks else "[]\n")
        self._count(LARGE, int(self._bytes > MAX_UPLOAD))

    def _commit(self) -> None:
        labels = list(dict.fromkeys(map(_label, self._categories.numbers)))
        write_text(self.interface, labelling_interface(labels, [self._options.shape]))
        super()._commit()


def open_writer(path: Path, options: Options) -> LabelStudioWriter:
    """A writer of tasks, which writes the labelling interface beside them."""
    return LabelStudioWriter(path, options)


def convert(images: Iterable[LabelledImage], options: Options) -> list[dict[str, Any]]:
    """A task for each image.

    Raises:
        InputError: an image is to be embedded and cannot be read.
    """
    return [_task(image, options) for image in images]


def _task(image: LabelledImage, options: Options) -> dict[str, Any]:
    prediction: dict[str, Any] = {
        "model_version": options.model_version,
        "result": list(_regions(image, options)),
    }
    if len(image.instances):
        prediction["score"] = float(image.instances.scores.min())
    instructions = [found.instruction for found in image.predictions]
    return {"data": {IMAGE: _url(image, options), "instructions": instructions}, "predictions": [prediction]}


def _regions(image: LabelledImage, options: Options) -> Iterator[dict[str, Any]]:
    for index, label in enumerate(image.labels):
        for part, value in enumerate(_values(image, index, options), start=1):
            yield region(
                options.shape,
                value,
                [_label(label)],
                image.size,
                control=options.shape,
                image=IMAGE,
                region_id=f"instance-{index + 1}" if part == 1 else f"instance-{index + 1}-part-{part}",
                score=float(image.instances.scores[index]),
                note=image.instructions[index],
            )


def _values(image: LabelledImage, index: int, options: Options) -> list[dict[str, Any]]:
    """The values of the regions of one instance."""
    found = image.instances
    return region_values(
        options.shape, found.masks[index], found.boxes_xyxy[index], image.size, options.tolerance
    )


def _url(image: LabelledImage, options: Options) -> str:
    if options.embed:
        return embedded_url(image.pixels())
    if options.url_prefix:
        return prefixed_url(options.url_prefix, image.name)
    return local_file_url(options.local_files, image.name)


def _label(label: str) -> str:
    """A label that XML can hold, in the interface and in regions alike."""
    return one_line(label, None) or _UNNAMED
