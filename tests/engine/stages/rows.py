"""Rows and pictures for the tests of stages."""

from __future__ import annotations

import numpy as np
from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.rows import ImageRow
from instructsam.structures.masks import encode_rle

WIDTH, HEIGHT = 120, 80


def row_of(*categories: str, row_id: str = "row") -> ImageRow:
    """A row with a square of 12 px for each category, side by side."""
    instances = []
    for place, category in enumerate(categories):
        mask = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
        left, top = place * 20 % WIDTH, place * 20 // WIDTH * 20
        mask[top : top + 12, left : left + 12] = True
        instances.append(InstanceRecord(rle=encode_rle(mask), category=category))
    return ImageRow(row_id, ImageRef("a.png", HEIGHT, WIDTH), tuple(instances))


class PlainPictures:
    """Pictures that need no files: white, and grey where they are marked."""

    def clean(self, row: ImageRow) -> Image.Image:
        return Image.new("RGB", (row.image.width, row.image.height), "white")

    def marked(self, row: ImageRow) -> Image.Image:
        return Image.new("RGB", (row.image.width, row.image.height), "grey")
