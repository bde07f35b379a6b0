"""Box conversions; the format is always in the name.

Every function takes an array or tensor [..., 4] (numpy or torch) and returns the same kind; units are kept.
xyxy: left, top, right, bottom. xywh: left, top, width, height (COCO). cxcywh: centre x, centre y, width, height.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from instructsam.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Boxes = TypeVar("Boxes", NDArray[Any], Tensor)
else:
    Boxes = TypeVar("Boxes")


def xyxy_to_xywh(boxes: Boxes) -> Boxes:
    """[..., 4] left, top, right, bottom -> left, top, width, height."""
    x1, y1, x2, y2 = _columns(boxes)
    return _join(boxes, x1, y1, x2 - x1, y2 - y1)


def xywh_to_xyxy(boxes: Boxes) -> Boxes:
    """[..., 4] left, top, width, height -> left, top, right, bottom."""
    x, y, w, h = _columns(boxes)
    return _join(boxes, x, y, x + w, y + h)


def cxcywh_to_xyxy(boxes: Boxes) -> Boxes:
    """[..., 4] centre x, centre y, width, height -> left, top, right, bottom."""
    cx, cy, w, h = _columns(boxes)
    return _join(boxes, cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)


def xyxy_to_cxcywh(boxes: Boxes) -> Boxes:
    """[..., 4] left, top, right, bottom -> centre x, centre y, width, height."""
    x1, y1, x2, y2 = _columns(boxes)
    return _join(boxes, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)


def _columns(boxes: Any) -> tuple[Any, Any, Any, Any]:
    shape = tuple(getattr(boxes, "shape", ()))
    if not shape or shape[-1] != 4:
        raise InputError(f"boxes must be an array or tensor (..., 4), got shape {shape}")
    return boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3]


def _join(like: Boxes, *columns: Any) -> Boxes:
    if isinstance(like, np.ndarray):
        return cast("Boxes", np.stack(columns, axis=-1))
    # A tensor can only have come from a process that already imported torch.
    import torch

    return cast("Boxes", torch.stack(columns, dim=-1))
