"""Boxes and points of published formats, for objects without a mask."""

from __future__ import annotations

from instructsam.data.formats.outlines import DAMAGED, DamagedMaskError, instance_of, mask_of
from instructsam.data.formats.source import Node, Tally
from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.structures.checks import is_number, shorten

Box = tuple[float, float, float, float]
DAMAGED_BOX = "boxes and points that are empty or outside the picture, with every instruction that means them"
_BOX = "a box [x, y, width, height] in pixels"
_OUTSIDE = 0.02  # share of a side that a box may lie outside the picture; that part is cut off


def read_box(node: Node | None) -> Box | None:
    """[x, y, width, height] in pixels; None without a box.

    Raises:
        RecordError: these are not four numbers.
    """
    if node is None or node.value == []:
        return None
    if not isinstance(node.value, list) or len(node.value) != 4 or not all(map(is_number, node.value)):
        raise node.wrong(_BOX)
    x, y, width, height = map(float, node.value)
    return x, y, width, height


def clip_box(box: Box, image: ImageRef) -> Box | None:
    """The part of a box (x, y, width, height) inside the image; None if it has no area."""
    x, y, width, height = box
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + width, float(image.width)), min(y + height, float(image.height))
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def box_instance(node: Node, image: ImageRef, tally: Tally, category: str = "") -> InstanceRecord | None:
    """The object whose box [x, y, width, height] a node holds; None, counted, for a box that cannot be used.

    Raises:
        RecordError: these are not four numbers.
    """
    box = read_box(node)
    if box is None:
        raise node.wrong(_BOX)
    clipped = clip_box(box, image)
    if clipped is None or any(
        side - inside > max(1.0, _OUTSIDE * limit)
        for side, inside, limit in zip(box[2:], clipped[2:], (image.width, image.height), strict=True)
    ):
        place = f"{node.at()}: expected a box [x, y, width, height] in a picture of {image.width} x {image.height}"
        tally.leave_out(DAMAGED_BOX, example=f"{place}, got {shorten(node.value)}")
        return None
    return InstanceRecord(None, clipped, category)


def point_instance(node: Node, image: ImageRef, tally: Tally, category: str = "") -> InstanceRecord | None:
    """The object that has the point [x, y]; None, counted, for a point outside the picture.

    Raises:
        RecordError: these are not two numbers.
    """
    value = node.value
    if not isinstance(value, list) or len(value) != 2 or not all(map(is_number, value)):
        raise node.wrong("a point [x, y] in pixels")
    x, y = map(float, value)
    if not (0 <= x <= image.width and 0 <= y <= image.height):
        place = f"{node.at()}: expected a point [x, y] in a picture of {image.width} x {image.height}"
        tally.leave_out(DAMAGED_BOX, example=f"{place}, got {shorten(value)}")
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
