"""Shapes of LabelMe files: polygons, rectangles and circles.

Coordinates are truncated and outlines belong to the shape, as in LISA's reader. Points and lines have no area: they
are counted. A shape whose area is not in the file (a mask picture, an unknown type) makes its file unusable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from instructsam.data.formats.outlines import FEW_POINTS, DamagedMaskError
from instructsam.data.formats.source import Node, Tally
from instructsam.structures.checks import is_number, shorten

NO_AREA = "points and lines, which have no area"
UNKNOWN_AREA = "files with a shape that is not drawn (not a polygon, rectangle or circle)"
_WITHOUT_AREA = ("point", "points", "line", "linestrip")
_FAR = 4  # picture sides that a corner may lie outside
_MOST_DRAWN = 4_000_000_000  # pixels of all shapes of a file: seconds

Point = tuple[int, int]


class UnknownAreaError(Exception):
    """A shape of a type that is not drawn; the message names the place."""


@dataclass(frozen=True)
class Outline:
    """A shape in pixels.

    Attributes:
        kind: "polygon", "rectangle" (two opposite corners) or "circle" (centre, and a point on it).
        box: left, top, right, bottom (exclusive) of what lies inside the picture; empty when right <= left.
    """

    kind: str
    points: tuple[Point, ...]
    box: tuple[int, int, int, int]

    def draw(self) -> NDArray[np.bool_]:
        """bool, the pixels of the shape inside `box`."""
        left, top, right, bottom = self.box
        canvas = Image.new("L", (right - left, bottom - top))
        pen = ImageDraw.Draw(canvas)
        points = [(x - left, y - top) for x, y in self.points]
        if self.kind == "polygon":
            pen.polygon(points, fill=1, outline=1)
        elif self.kind == "rectangle":
            (x1, y1), (x2, y2) = points
            pen.rectangle((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), fill=1, outline=1)
        else:
            (x, y), radius = points[0], _radius(points)
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1, outline=1)
        return np.asarray(canvas, dtype=np.bool_)


def outlined(shape: Node, height: int, width: int, tally: Tally) -> Outline | None:
    """The shape that a node describes; None for one without area, which is counted.

    Raises:
        UnknownAreaError: its type is not drawn.
        DamagedMaskError: corners are not finite or far outside the picture.
        RecordError: its points are not points.
    """
    found = shape.get("shape_type")
    kind = "polygon" if found is None else found.text()
    points = [_corner(point) for point in shape["points"].items()]
    if kind in _WITHOUT_AREA:
        tally.leave_out(NO_AREA, example=shape.at())
        return None
    if kind not in ("polygon", "rectangle", "circle"):
        raise UnknownAreaError(f"{shape.at()}: {shorten(kind)}")
    if kind == "polygon" and len(points) < 3:
        tally.leave_out(FEW_POINTS, example=shape.at())
        return None
    if kind != "polygon" and len(points) != 2:
        raise shape["points"].wrong(f"the two points of a {kind}")
    if max(abs(value) for point in points for value in point) > _FAR * max(height, width):
        place = f"{shape['points'].at()}: expected corners in or near a picture of {width} x {height}"
        raise DamagedMaskError(f"{place}, got {shorten(shape['points'].value)}")
    corners = tuple((int(x), int(y)) for x, y in points)
    return Outline(kind, corners, _box(kind, corners, height, width))


def draw_labels(
    shapes: Sequence[tuple[Outline, int]], height: int, width: int, node: Node
) -> NDArray[np.uint8]:
    """uint8 [H, W]: each pixel has the label of the smallest shape that covers it, 0 elsewhere."""
    visible = [(outline, label) for outline, label in shapes if _pixels(outline)]
    if sum(_pixels(outline) for outline, _ in visible) > _MOST_DRAWN:
        raise node["shapes"].wrong(f"shapes of at most {_MOST_DRAWN} pixels in all")
    # Drawn twice, so that only one shape is in memory.
    areas = [int(np.count_nonzero(outline.draw())) for outline, _ in visible]
    drawn = np.zeros((height, width), dtype=np.uint8)
    for index in sorted(range(len(visible)), key=lambda index: -areas[index]):
        outline, label = visible[index]
        left, top, right, bottom = outline.box
        drawn[top:bottom, left:right][outline.draw()] = label
    return drawn


def _box(kind: str, points: Sequence[Point], height: int, width: int) -> tuple[int, int, int, int]:
    reach = int(_radius(points)) + 1 if kind == "circle" else 0
    spread = points[:1] if kind == "circle" else points
    columns, rows = [x for x, _ in spread], [y for _, y in spread]
    left, top = max(min(columns) - reach, 0), max(min(rows) - reach, 0)
    return left, top, min(max(columns) + reach + 1, width), min(max(rows) + reach + 1, height)


def _pixels(outline: Outline) -> int:
    left, top, right, bottom = outline.box
    return max(right - left, 0) * max(bottom - top, 0)


def _radius(points: Sequence[Point]) -> float:
    (x, y), (other_x, other_y) = points
    return hypot(other_x - x, other_y - y)


def _corner(point: Node) -> tuple[float, float]:
    value = point.value
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(isinstance(number, int | float) for number in value)
    ):
        raise point.wrong("a point [x, y]")
    if not all(map(is_number, value)):
        raise DamagedMaskError(str(point.wrong("a point [x, y] of finite numbers")))
    return value[0], value[1]
