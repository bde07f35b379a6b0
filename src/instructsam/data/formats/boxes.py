"""Boxes and points of published formats, for objects without a mask."""

from __future__ import annotations

from instructsam.data.formats.outlines import DAMAGED, DamagedMaskError, instance_of, mask_of
from instructsam.data.formats.source import Node, Tally
from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.structures.checks import is_number

DAMAGED_BOX = "boxes and points that are empty or outside the picture, with every instruction that means them"
_OUTSIDE = 0.02  # share of a side that a box may lie outside the picture; that part is cut off


def box_instance(node: Node, image: ImageRef, tally: Tally, category: str = "") -> InstanceRecord | None:
    """The object whose box [x, y, width, height] a node holds; None, counted, for a box that cannot be used.

    Raises:
        RecordError: these are not four numbers.
    """
    x, y, width, height = _numbers(node, 4, "a box [x, y, width, height] in pixels")
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + width, float(image.width)), min(y + height, float(image.height))
    cut_x, cut_y = width - (right - left), height - (bottom - top)
    if right <= left or bottom <= top or cut_x > _limit(image.width) or cut_y > _limit(image.height):
        place = f"{node.at()}: expected a box [x, y, width, height] in a picture of {image.width} x {image.height}"
        tally.leave_out(DAMAGED_BOX, example=f"{place}, got {node.value}")
        return None
    return InstanceRecord(None, (left, top, right - left, bottom - top), category)


def point_instance(node: Node, image: ImageRef, tally: Tally, category: str = "") -> InstanceRecord | None:
    """The object that has the point [x, y]; None, counted, for a point outside the picture.

    Raises:
        RecordError: these are not two numbers.
    """
    x, y = _numbers(node, 2, "a point [x, y] in pixels")
    if not (0 <= x <= image.width and 0 <= y <= image.height):
        place = f"{node.at()}: expected a point [x, y] in a picture of {image.width} x {image.height}"
        tally.leave_out(DAMAGED_BOX, example=f"{place}, got {node.value}")
        return None
    return InstanceRecord(None, None, category, (x, y))


def mask_or_box(
    mask: Node | None, box: Node | None, image: ImageRef, tally: Tally, category: str = ""
) -> InstanceRecord | None:
    """The object of a mask, or of a box where there is no mask; None when neither can be used."""
    try:
        code = mask_of(mask, image, tally)
    except DamagedMaskError as error:
        tally.leave_out(DAMAGED, example=str(error))
        return None
    if code is not None:
        return instance_of(code, category)
    return None if box is None else box_instance(box, image, tally, category)


def _limit(side: int) -> float:
    return max(1.0, _OUTSIDE * side)


def _numbers(node: Node, count: int, expected: str) -> tuple[float, ...]:
    value = node.value
    if not isinstance(value, list) or len(value) != count or not all(map(is_number, value)):
        raise node.wrong(expected)
    return tuple(map(float, value))
