"""CVAT for images 1.1: an XML file with masks as run lengths, or polygons.

CVAT matches images by name and labels by name; the labels must exist in the task, and the file lists them.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from instructsam.exports.categories import Categories, Classes
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.options import ExportOptions, Tolerance
from instructsam.exports.polygons import INSET, keyhole_ring, mask_polygons
from instructsam.exports.writer import FileWriter
from instructsam.structures.masks import mask_boxes_xyxy

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_LABEL = 64
_SHORTENED = f"instances have a label of more than {_LONGEST_LABEL} characters, which CVAT does not accept"


class Options(ExportOptions):
    """Options of `cvat`.

    Attributes:
        coding: "rle": masks, exact; "polygon": one polygon per part of an instance, with the same group.
        tolerance: of polygons, px.
        classes: label names in order; None takes the labels in the order in which they appear.
    """

    coding: Literal["rle", "polygon"] = "rle"
    tolerance: Tolerance = 1.0
    classes: Classes = None


def open_writer(path: Path, options: Options) -> FileWriter:
    """A writer of one XML file."""
    return _Writer(path, options)


def mask_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of a mask [H, W], row by row; the first is background and may be 0."""
    flat = mask.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    runs: list[int] = np.diff(ends, prepend=0).tolist()
    return [0, *runs] if flat[0] else runs


class _Writer(FileWriter):
    """Collects the images in a temporary file, since the list of labels comes before them."""

    def __init__(self, path: Path, options: Options) -> None:
        super().__init__(path)
        self._options = options
        self._categories = Categories(options.classes)
        self._body = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115  # closed by `_discard`
        self._images = self._groups = 0

    def _add(self, image: LabelledImage) -> None:
        self._categories.add(image)
        height, width = image.size
        about = {
            "id": str(self._images),
            "name": _text(image.name),
            "width": str(width),
            "height": str(height),
        }
        element = ElementTree.Element("image", about)
        boxes = mask_boxes_xyxy(image.instances.masks).astype(int)
        for index in self._filled(image):
            label = image.labels[index]
            self._count(_SHORTENED, len(label) > _LONGEST_LABEL)
            common = {"label": _text(label), "source": "auto", "occluded": "0"}
            mask = image.instances.masks[index]
            if self._options.coding == "rle":
                ElementTree.SubElement(element, "mask", common | _mask(mask, boxes[index].tolist()))
            else:
                self._add_polygons(element, mask, common)
        self._body.write(ElementTree.tostring(element, encoding="utf-8", xml_declaration=False) + b"\n")
        self._images += 1

    def _add_polygons(
        self, element: ElementTree.Element, mask: NDArray[np.bool_], common: dict[str, str]
    ) -> None:
        polygons = mask_polygons(mask, self._options.tolerance, INSET)
        several = {}
        if len(polygons) > 1:
            self._groups += 1
            several = {"group_id": str(self._groups)}
        for polygon in polygons:
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in keyhole_ring(polygon).tolist())
            ElementTree.SubElement(element, "polygon", common | {"points": points, "z_order": "0"} | several)

    def _finish(self) -> None:
        kind = "mask" if self._options.coding == "rle" else "polygon"
        labels = ElementTree.Element("labels")
        for name in self._categories.numbers:
            label = ElementTree.SubElement(labels, "label")
            ElementTree.SubElement(label, "name").text = _text(name)
            ElementTree.SubElement(label, "type").text = kind
        listed = ElementTree.tostring(labels, encoding="unicode")
        self._write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
        self._write(f"<meta><task><size>{self._images}</size>{listed}</task></meta>\n")
        self._body.seek(0)
        shutil.copyfileobj(self._body, self._file.stream)
        self._write("</annotations>\n")

    def _discard(self) -> None:
        self._body.close()
        super()._discard()


def _mask(mask: NDArray[np.bool_], box: list[int]) -> dict[str, str]:
    left, top, right, bottom = box
    runs = mask_runs(mask[top:bottom, left:right])
    return {
        "rle": ", ".join(map(str, runs)),
        "left": str(left),
        "top": str(top),
        "width": str(right - left),
        "height": str(bottom - top),
        "z_order": "0",
    }


def _text(text: str) -> str:
    """Text without the characters that XML cannot hold; the library escapes the rest."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
