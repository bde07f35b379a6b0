"""The region of a picture in which an instance is known: its mask, its filled box, or the pixel of one point."""

from __future__ import annotations

from math import floor
from typing import Any

from instructsam.data.record import ImageRef, InstanceRecord


def region_code(instance: InstanceRecord, image: ImageRef) -> dict[str, Any]:
    """The run-length code of what is known of an instance: its mask, its filled box, or the pixel of its point.

    Boxes are rounded to whole pixels, at least one.
    """
    if instance.rle is not None:
        return instance.rle
    height, width = image.height, image.width
    if instance.box_xywh is not None:
        x, y, w, h = instance.box_xywh
        left, top, right, bottom = (floor(edge + 0.5) for edge in (x, y, x + w, y + h))
    else:
        left, top = (floor(value) for value in instance.point_xy or (0.0, 0.0))
        right, bottom = left, top
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    columns, rows = max(min(right, width) - left, 1), max(min(bottom, height) - top, 1)
    gap = height - rows
    runs = [left * height + top, *[rows, gap] * (columns - 1), rows]
    return {"size": [height, width], "counts": [*runs, height * width - sum(runs)]}


def object_key(instance: InstanceRecord, image: ImageRef) -> tuple[str, str]:
    """Equal for instances with the same region, known in the same way: they are one object, in whichever record."""
    return instance.known, str(region_code(instance, image)["counts"])
