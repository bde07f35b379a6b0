"""Masks in all published notations, as run-length codes; no mask is allocated.

A damaged mask invalidates its own annotation, not the file: it is counted, and instructions that refer to it are left
out (docs/metrics.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco  # official masks are COCO's rasterisation, exactly

from instructsam.data.formats.source import Node, Tally
from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.errors import InputError, RecordError, first_line
from instructsam.structures.checks import parse_json, shorten
from instructsam.structures.masks import coco_code, rle_area, text_code

FEW_POINTS = "outlines with fewer than three points, which enclose nothing"
DAMAGED = "annotations with a damaged mask, with every instruction that means them"

Code = dict[str, Any]
_BOX_NUMBERS = 4
_POLYGON_NUMBERS = 6  # three corners
_DEEPEST = 6  # lists and JSON texts inside one another
_NUMBERS = {int, float, bool}  # types of JSON; a truth value makes a polygon a damaged one
_FAR = 4  # picture sides that a corner may lie outside
# Pixels of an outline. The rasteriser takes about 80 bytes and 0.1 µs for each, a file may hold many, and an outline
# that is longer than this in a small image is a zigzag.
_LONGEST = 1_000_000
_LONGEST_PER_SIDE = 64  # times height + width


class DamagedMaskError(RecordError):
    """The mask of one annotation cannot be used; the rest of the file can."""


def mask_of(node: Node | None, image: ImageRef, tally: Tally) -> Code | None:
    """The run-length code of a segmentation in any published notation; None without one.

    Polygons (lists of x, y, as COCO rasterises them), run-length codes (compressed, or a list of runs), JSON text of
    either, and lists of these, which are merged. Outlines with fewer than three points are left out and counted.

    Raises:
        DamagedMaskError: an outline or code cannot be drawn; the message names the place.
        RecordError: the value is none of these.
    """
    parts = _parts(node, image, tally, _DEEPEST)
    if not parts:
        return None
    # Each part is checked or was just drawn: nothing is checked twice, which would take most of the time.
    return text_code(parts[0] if len(parts) == 1 else coco.merge(parts))


def read_instance(
    node: Node | None, image: ImageRef, tally: Tally, category: str = ""
) -> InstanceRecord | None:
    """The object whose segmentation a node holds; None without a mask, for a damaged one and without a pixel.

    Damage is counted here; the caller decides about the instruction that refers to the object.
    """
    try:
        code = mask_of(node, image, tally)
    except DamagedMaskError as error:
        tally.leave_out(DAMAGED, example=str(error))
        return None
    return None if code is None else instance_of(code, category)


def instance_of(code: Code, category: str = "") -> InstanceRecord | None:
    """The record of one object; None for a mask without a pixel.

    Args:
        code: made or checked by this package.
    """
    left, top, width, height = coco.toBbox(code | {"counts": code["counts"].encode("ascii")}).tolist()
    return InstanceRecord(code, (left, top, width, height), category) if width > 0 else None


def has_pixels(code: Code | None) -> bool:
    """Whether there is a mask with at least one pixel."""
    return code is not None and rle_area(code) > 0


def parsed(node: Node) -> Node:
    """The value of JSON text, at the same place."""
    try:
        return Node(parse_json(node.value, node.at()), node.file, node, "(JSON text)")
    except (InputError, AttributeError) as error:
        raise node.wrong("a mask, or JSON text of one") from error


def is_box(value: Any) -> bool:
    """Whether this is [x, y, w, h]: four numbers cannot be a polygon."""
    numbers = isinstance(value, list) and len(value) == _BOX_NUMBERS
    return numbers and all(isinstance(number, int | float) for number in value)


def _parts(node: Node | None, image: ImageRef, tally: Tally, depth: int) -> list[Code]:
    if node is None or node.value is None or (isinstance(node.value, list | str) and not node.value):
        return []
    value = node.value
    if depth == 0 or not isinstance(value, str | Mapping | list):
        raise node.wrong("a polygon, a run-length code, a list of them, or null")
    if isinstance(value, str):
        return _parts(parsed(node), image, tally, depth - 1)
    if isinstance(value, Mapping):
        return [_run_lengths(node, image)]
    if set(map(type, value)) <= _NUMBERS:
        polygon = _polygon(node, value, image, tally)
        return [] if polygon is None else [polygon]
    return [code for part in node.items() for code in _parts(part, image, tally, depth - 1)]


def _run_lengths(node: Node, image: ImageRef) -> Code:
    size, fix = [image.height, image.width], "fetch the file again"
    found = node["size"]
    if found.value != size:
        raise DamagedMaskError(
            f"{found.at()}: expected the picture's [height, width] = {size}, got {shorten(found.value)}; {fix}"
        )
    try:
        return coco_code({"size": size, "counts": node.value.get("counts")})
    except InputError as error:
        raise DamagedMaskError(f"{node.at()}: {first_line(error)}; {fix}") from error


def _polygon(node: Node, corners: Sequence[Any], image: ImageRef, tally: Tally) -> Code | None:
    if len(corners) < _POLYGON_NUMBERS:
        tally.leave_out(FEW_POINTS, example=node.at())
        return None
    points = _points(corners)
    if points is None:
        raise _damaged(node, "a polygon: x and y of each corner, finite numbers")
    if np.abs(points).max() > _FAR * max(image.height, image.width):
        raise _damaged(node, f"a polygon in a picture of {image.width} x {image.height}")
    longest = min(_LONGEST, _LONGEST_PER_SIDE * (image.height + image.width))
    before = np.concatenate((points[-1:], points[:-1]))
    if np.abs(points - before).max(axis=1).sum() > longest:
        raise _damaged(node, f"a polygon whose outline has at most {longest} pixels")
    drawn: Code = coco.frPyObjects([points.ravel().tolist()], image.height, image.width)[0]
    return drawn


def _points(corners: Sequence[Any]) -> NDArray[np.float64] | None:
    """float64 [P, 2]; None when these are not pairs of finite numbers."""
    if len(corners) % 2 or bool in map(type, corners):
        return None
    try:
        points = np.array(corners, dtype=np.float64)
    except OverflowError:  # an integer above 1e308
        return None
    return points.reshape(-1, 2) if np.isfinite(points).all() else None


def _damaged(node: Node, expected: str) -> DamagedMaskError:
    return DamagedMaskError(str(node.wrong(expected)))
