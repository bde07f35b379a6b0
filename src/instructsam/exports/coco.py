"""COCO results: a list of dicts with run-length encoded masks, ready for JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.options import ExportOptions


class Options(ExportOptions):
    """Options of `coco`.

    Attributes:
        image_id: of the first image; the next ones count up.
    """

    image_id: int = 1


def convert(images: Iterable[LabelledImage], options: Options) -> list[dict[str, Any]]:
    """One result per instance: RLE at the original size, bbox x y width height px, category_id from 1."""
    categories: dict[str, int] = {}
    found = []
    for image_id, image in enumerate(images, start=options.image_id):
        for label in image.classes:
            categories.setdefault(label, len(categories) + 1)
        columns = zip(
            image.labels,
            image.instances.encode_rles(),
            image.instances.boxes_xywh,
            image.instances.areas,
            image.instances.scores,
            strict=True,
        )
        found += [
            {
                "image_id": image_id,
                "category_id": categories[label],
                "segmentation": rle,
                "bbox": [float(value) for value in box],
                "area": int(area),
                "score": float(score),
                "phrase": label,
            }
            for label, rle, box, area, score in columns
        ]
    return found
