"""Regions of Label Studio: the entries of a `result`, in tasks, predictions and answers of an ML backend.

A region is a value (`brush_value`, `bitmask_value`, `polygon_value`, `rectangle_value`, `point_value`) in the frame
that `region` puts around it. Lengths in values are percent of the image.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from instructsam.errors import InputError
from instructsam.exports.label_studio_rle import encode_brush
from instructsam.exports.polygons import keyhole_ring, mask_polygons
from instructsam.structures.rle_masks import Size

RegionKind: TypeAlias = Literal["brush", "bitmask", "polygon", "rectangle", "point"]

LABEL_TAGS: dict[RegionKind, str] = {
    "brush": "BrushLabels",
    "bitmask": "BitmaskLabels",
    "polygon": "PolygonLabels",
    "rectangle": "RectangleLabels",
    "point": "KeyPointLabels",
}
"""The tag of the labelling interface that shows regions of each kind."""

_POINT_WIDTH = 1.0  # % of the image


def control_result(name: str, kind: str, value: Mapping[str, Any], image: str = "image") -> dict[str, Any]:
    """The answer of any control of the labelling interface, such as a TextArea.

    Args:
        name: of the control.
        kind: its tag in lower case.
        value: of the answer.
        image: name of the Image tag.
    """
    return {"from_name": name, "to_name": image, "type": kind, "value": dict(value)}


def region(
    kind: RegionKind,
    value: Mapping[str, Any],
    labels: Sequence[str],
    size: Size,
    *,
    control: str,
    image: str = "image",
    region_id: str = "",
    score: float | None = None,
    note: str = "",
) -> dict[str, Any]:
    """One labelled region.

    Args:
        kind: decides the type and the key of the labels.
        value: from the function of this kind below.
        labels: of the region; the control lists them.
        size: (height, width) px of the upright image.
        control: name of the labels' tag.
        image: name of the Image tag.
        region_id: unique in its task; without it Label Studio makes one.
        score: in [0, 1].
        note: shown beside the region.
    """
    kind_of_labels = LABEL_TAGS[kind].lower()
    found: dict[str, Any] = {
        **control_result(control, kind_of_labels, {**value, kind_of_labels: list(labels)}, image),
        "original_width": size[1],
        "original_height": size[0],
        "image_rotation": 0,
    }
    if region_id:
        found["id"] = region_id
    if score is not None:
        found["score"] = float(score)
    if note:
        found["meta"] = {"text": [note]}
    return found


def region_values(
    kind: RegionKind, mask: NDArray[np.bool_], box_xyxy: ArrayLike, size: Size, tolerance: float
) -> list[dict[str, Any]]:
    """The values of an instance: one, or one per part of a polygon; none for a mask without pixels.

    Args:
        kind: "brush" and "bitmask" keep every pixel, a hole of a "polygon" is joined to its outline by a cut, a
            "rectangle" is the box.
        mask: bool [H, W].
        box_xyxy: px.
        size: (height, width) px.
        tolerance: of polygons, in px.
    """
    if kind == "rectangle":
        return [rectangle_value(box_xyxy, size)]
    if kind == "polygon":
        return [polygon_value(keyhole_ring(part), size) for part in mask_polygons(mask, tolerance)]
    if not mask.any():
        return []
    return [brush_value(mask) if kind == "brush" else bitmask_value(mask)]


def brush_value(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask, bool [H, W], for BrushLabels."""
    return {"format": "rle", "rle": encode_brush(mask)}


def bitmask_value(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask, bool [H, W], for BitmaskLabels: a PNG with black pixels on a transparent background."""
    picture = Image.frombytes("P", mask.shape[::-1], mask.astype(np.uint8).tobytes())
    picture.putpalette([0, 0, 0] * 2)
    stream = io.BytesIO()
    picture.save(stream, format="PNG", bits=1, transparency=b"\x00\xff")
    return {"imageDataURL": "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")}


def polygon_value(ring_xy: ArrayLike, size: Size) -> dict[str, Any]:
    """One ring, px [K, 2] with K >= 3, for PolygonLabels.

    PolygonLabels has no holes: `exports.polygons` joins a hole to its outer ring by a cut.

    Raises:
        InputError: the ring has fewer than three points.
    """
    ring = np.asarray(ring_xy, dtype=np.float64)
    if ring.ndim != 2 or ring.shape[1:] != (2,) or len(ring) < 3:
        raise InputError(f"a polygon needs at least 3 points [x, y], got an array of shape {ring.shape}")
    points = ring / (size[1], size[0]) * 100
    return {"points": points.tolist(), "closed": True}


def rectangle_value(box_xyxy: ArrayLike, size: Size) -> dict[str, Any]:
    """A box in px for RectangleLabels."""
    x1, y1, x2, y2 = np.asarray(box_xyxy, dtype=np.float64).tolist()
    width, height = size[1] / 100, size[0] / 100
    return {
        "x": x1 / width,
        "y": y1 / height,
        "width": (x2 - x1) / width,
        "height": (y2 - y1) / height,
        "rotation": 0,
    }


def point_value(point_xy: ArrayLike, size: Size) -> dict[str, Any]:
    """A point in px for KeyPointLabels."""
    x, y = np.asarray(point_xy, dtype=np.float64).tolist()
    return {"x": 100 * x / size[1], "y": 100 * y / size[0], "width": _POINT_WIDTH}
