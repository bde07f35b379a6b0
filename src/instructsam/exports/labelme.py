"""LabelMe: one JSON file per image, beside the image."""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.exports.image_files import LEFT_OUT, Placing, file_name, place_image
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.names import UniqueNames
from instructsam.exports.options import ExportOptions, Tolerance
from instructsam.exports.polygons import INSET, keyhole_ring, mask_polygons
from instructsam.exports.writer import FolderWriter
from instructsam.structures.masks import mask_boxes_xyxy

_VERSION = "5.5.0"  # the first whose files may hold all of these fields


class Options(ExportOptions):
    """Options of `labelme`.

    Attributes:
        coding: "polygon": one polygon per part of an instance, with the same group_id; "mask": exact, not editable.
        tolerance: of polygons, px.
        images: beside the JSON files, "link" or "copy"; "embed": inside them, as PNG; "none": the JSON files name the
            originals.
    """

    coding: Literal["polygon", "mask"] = "polygon"
    tolerance: Tolerance = 1.0
    images: Literal[Placing, "embed"] = "link"


def open_writer(path: Path, options: Options) -> FolderWriter:
    """A writer of one folder."""
    return _Writer(path, options)


class _Writer(FolderWriter):
    def __init__(self, path: Path, options: Options) -> None:
        super().__init__(path, "labelme")
        self._options = options
        self._names = UniqueNames()

    def _add(self, image: LabelledImage) -> None:
        stem = self._names.stem(image.name)
        height, width = image.size
        target = self._folder / f"{stem}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        data, place = self._place(image, stem)
        document: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": self._shapes(image),
            "imagePath": place,
            "imageData": data,
            "imageHeight": height,
            "imageWidth": width,
        }
        target.write_text(json.dumps(document, indent=1), encoding="ascii")

    def _place(self, image: LabelledImage, stem: str) -> tuple[str | None, str]:
        """The image for `imageData`, and its path from the JSON file."""
        name = file_name(image, stem)
        beside = Path(name).name
        if self._options.images == "embed":
            return _png_text(image.pixels()), beside
        if self._options.images != "none":
            self._count(LEFT_OUT, not place_image(image, self._folder / name, self._options.images))
        elif image.path is not None:
            folder = os.path.dirname(os.path.abspath(self.path / name))
            return None, Path(os.path.relpath(os.path.abspath(image.path), folder)).as_posix()
        return None, beside

    def _shapes(self, image: LabelledImage) -> list[dict[str, Any]]:
        shapes = []
        boxes = mask_boxes_xyxy(image.instances.masks).astype(int)
        for index in self._filled(image):
            mask = image.instances.masks[index]
            common = {
                "label": image.labels[index],
                "description": "",
                "flags": {},
                "score": float(image.instances.scores[index]),
            }
            if self._options.coding == "mask":
                shapes.append(common | _mask_shape(mask, boxes[index].tolist()))
                continue
            polygons = mask_polygons(mask, self._options.tolerance, INSET)
            group = index + 1 if len(polygons) > 1 else None
            shapes += [
                common
                | {"shape_type": "polygon", "points": keyhole_ring(polygon).tolist(), "group_id": group}
                for polygon in polygons
            ]
        return shapes


def _mask_shape(mask: NDArray[np.bool_], box: list[int]) -> dict[str, Any]:
    """A mask cut to its box; LabelMe's box includes its last row and column."""
    left, top, right, bottom = box
    cut = Image.fromarray(mask[top:bottom, left:right].astype(np.uint8) * np.uint8(255))
    return {
        "shape_type": "mask",
        "points": [[left, top], [right - 1, bottom - 1]],
        "group_id": None,
        "mask": _png_text(cut),
    }


def _png_text(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")
