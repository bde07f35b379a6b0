"""Box conversions; the format is always in the name.

Every function takes an array or tensor [..., 4] (numpy or torch) and returns a new one of the same kind;
units are kept. xyxy: left, top, right, bottom. xywh: left, top, width, height (COCO). cxcywh: centre x,
centre y, width, height. Torch is not imported, not even lazily: records and scoring run without it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from instructsam.errors import InputError

Boxes = TypeVar("Boxes")  # numpy array or torch tensor


def xyxy_to_xywh(boxes: Boxes) -> Boxes:
    """[..., 4] left, top, right, bottom -> left, top, width, height."""
    result = _checked(boxes) + 0
    result[..., 2:] -= result[..., :2]
    return result  # type: ignore[no-any-return]


def xywh_to_xyxy(boxes: Boxes) -> Boxes:
    """[..., 4] left, top, width, height -> left, top, right, bottom."""
    result = _checked(boxes) + 0
    result[..., 2:] += result[..., :2]
    return result  # type: ignore[no-any-return]


def cxcywh_to_xyxy(boxes: Boxes) -> Boxes:
    """[..., 4] centre x, centre y, width, height -> left, top, right, bottom; integers become floats."""
    source = _checked(boxes)
    result, half = source / 1, source[..., 2:] / 2
    result[..., :2] = source[..., :2] - half
    result[..., 2:] = source[..., :2] + half
    return result  # type: ignore[no-any-return]


def xyxy_to_cxcywh(boxes: Boxes) -> Boxes:
    """[..., 4] left, top, right, bottom -> centre x, centre y, width, height; integers become floats."""
    source = _checked(boxes)
    result = source / 1
    result[..., :2] = (source[..., :2] + source[..., 2:]) / 2
    result[..., 2:] = source[..., 2:] - source[..., :2]
    return result  # type: ignore[no-any-return]


def _checked(boxes: Any) -> Any:
    shape = tuple(getattr(boxes, "shape", ()))
    if not shape or shape[-1] != 4:
        found = f"{type(boxes).__name__} of shape {shape}"
        raise InputError(f"boxes must be an array or tensor (..., 4), got {found}")
    return boxes
