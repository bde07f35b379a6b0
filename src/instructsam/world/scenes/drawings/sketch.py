"""A recorder of shapes in which every kind is drawn.

Drawing functions use any unit they like (x to the right, y downwards, facing right); `Sketch.finish` shifts
and scales the result so that its longest extent is 1 around (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from instructsam.world.scenes.drawings.geometry import Box, Points, PointsLike, arc, ellipse, smooth, turn

Rgb = tuple[int, int, int]

WHITE: Rgb = (250, 248, 242)
CREAM: Rgb = (246, 232, 204)
INK: Rgb = (44, 40, 48)
TYRE: Rgb = (84, 84, 94)
STEEL: Rgb = (196, 202, 210)
WINDOW: Rgb = (196, 226, 242)
LEAF: Rgb = (104, 178, 84)
TWIG: Rgb = (104, 74, 50)
LAMP: Rgb = (255, 236, 150)
BLUSH: Rgb = (244, 150, 156)


def mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    """`first` with `share` of it replaced by `second`."""
    red, green, blue = (int(a + (b - a) * share + 0.5) for a, b in zip(first, second, strict=True))
    return red, green, blue


@dataclass(frozen=True)
class Shape:
    """A filled polygon, or with `width` > 0 a thick polyline with round ends. `fill` None cuts a hole."""

    points: Points
    fill: Rgb | None
    line: Rgb | None
    width: float = 0.0


@dataclass(frozen=True)
class Picture:
    """Finished shapes in painter's order, longest extent 1, centred on (0, 0); `base` is the thing's own colour."""

    shapes: tuple[Shape, ...]
    base: Rgb = WHITE

    @cached_property
    def edge_points(self) -> Points:
        """[K, 2] points whose box is that of the whole picture at any tilt (thick lines approximated)."""
        parts: list[Points] = []
        for shape in self.shapes:
            half = shape.width / 2
            shifts = ((half, half), (-half, -half), (half, -half), (-half, half)) if half else ((0.0, 0.0),)
            parts.extend(shape.points + shift for shift in shifts)
        return np.concatenate(parts)

    @cached_property
    def _boxes(self) -> dict[tuple[int, bool], Box]:
        return {}

    def box_xyxy(self, degrees: int, mirrored: bool) -> Box:
        """The box of the picture at a tilt; placing an object needs the same one many times."""
        if (degrees, mirrored) not in self._boxes:
            x, y = self._turned(self.edge_points, degrees, mirrored).T
            box = float(x.min()), float(y.min()), float(x.max()), float(y.max())
            self._boxes[degrees, mirrored] = box
        return self._boxes[degrees, mirrored]

    def _turned(self, points: Points, degrees: int, mirrored: bool) -> Points:
        if mirrored:
            points = points * (-1.0, 1.0)
        return turn(points, degrees)

    def turned(self, degrees: int, mirrored: bool) -> list[Shape]:
        return [
            Shape(self._turned(s.points, degrees, mirrored), s.fill, s.line, s.width) for s in self.shapes
        ]


class Sketch:
    """Records shapes in the thing's colours: `base`, `light`, `pale`, `dark` and `ink` (its outline)."""

    def __init__(self, color: Rgb) -> None:
        self.base = color
        self.light = mix(color, (255, 255, 255), 0.32)
        self.pale = mix(color, (255, 255, 255), 0.6)
        self.dark = mix(color, (0, 0, 0), 0.12)
        self.ink = mix(color, (24, 16, 32), 0.47)
        self.shapes: list[Shape] = []

    def fill(self, points: PointsLike, color: Rgb | None = None, outlined: bool = True) -> None:
        """A polygon, in the thing's own colour unless given."""
        line = self.ink if outlined else None
        self.shapes.append(Shape(np.asarray(points, dtype=np.float64), color or self.base, line))

    def blob(self, points: PointsLike, color: Rgb | None = None, outlined: bool = True) -> None:
        self.fill(smooth(points), color, outlined)

    def disc(
        self,
        cx: float,
        cy: float,
        rx: float,
        ry: float = 0.0,
        color: Rgb | None = None,
        outlined: bool = True,
    ) -> None:
        self.fill(ellipse(cx, cy, rx, ry or rx), color, outlined)

    def stroke(
        self, points: PointsLike, width: float, color: Rgb | None = None, outlined: bool = False
    ) -> None:
        """A thick line with round ends."""
        line = self.ink if outlined else None
        self.shapes.append(Shape(np.asarray(points, dtype=np.float64), color or self.base, line, width))

    def hole(self, points: PointsLike) -> None:
        """Cuts through everything drawn so far."""
        self.shapes.append(Shape(np.asarray(points, dtype=np.float64), None, self.ink))

    def eye(self, cx: float, cy: float, radius: float) -> None:
        self.disc(cx, cy, radius, color=WHITE, outlined=False)
        self.disc(cx + radius * 0.2, cy, radius * 0.62, color=INK, outlined=False)
        self.disc(cx + radius * 0.38, cy - radius * 0.25, radius * 0.22, color=WHITE, outlined=False)

    def face(self, cx: float, cy: float, size: float) -> None:
        """Two eyes, rosy cheeks and a smile, `size` wide."""
        for side in (-1, 1):
            self.disc(cx + side * size * 0.32, cy, size * 0.11, size * 0.15, INK, outlined=False)
            self.disc(
                cx + side * size * 0.32 + size * 0.03,
                cy - size * 0.06,
                size * 0.045,
                color=WHITE,
                outlined=False,
            )
            self.disc(
                cx + side * size * 0.5, cy + size * 0.2, size * 0.11, size * 0.07, BLUSH, outlined=False
            )
        self.stroke(arc(cx, cy + size * 0.1, size * 0.2, size * 0.2, 20, 160, 8), size * 0.075, INK)

    def finish(self) -> Picture:
        x1, y1, x2, y2 = Picture(tuple(self.shapes)).box_xyxy(0, False)
        unit = max(x2 - x1, y2 - y1)
        shift = ((x1 + x2) / 2, (y1 + y2) / 2)
        return Picture(
            tuple(Shape((s.points - shift) / unit, s.fill, s.line, s.width / unit) for s in self.shapes),
            self.base,
        )
