"""Points, curves and turns, with the same bits on every machine.

Angles are whole degrees looked up in a rounded table, the rest is addition and multiplication.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Box = tuple[float, float, float, float]
PointsLike = Points | Sequence[tuple[float, float]]

COSINE: Points = np.array([round(math.cos(math.radians(degree)), 9) for degree in range(360)])
SINE: Points = np.array([round(math.sin(math.radians(degree)), 9) for degree in range(360)])


def arc(cx: float, cy: float, rx: float, ry: float, start: int, stop: int, steps: int = 16) -> Points:
    """Points along an ellipse from `start` to `stop` degrees; 0 is to the right, 90 is downwards."""
    degrees = (start + (stop - start) * np.arange(steps + 1) // steps) % 360
    return np.stack([cx + rx * COSINE[degrees], cy + ry * SINE[degrees]], axis=1)


def ellipse(cx: float, cy: float, rx: float, ry: float, steps: int = 36) -> Points:
    return arc(cx, cy, rx, ry, 0, 360, steps)[:-1]


def box(x1: float, y1: float, x2: float, y2: float, radius: float = 0.0) -> Points:
    """A rectangle with rounded corners."""
    if radius <= 0.0:
        return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
    corners = ((x2, y2, -1, -1, 0), (x1, y2, 1, -1, 90), (x1, y1, 1, 1, 180), (x2, y1, -1, 1, 270))
    return np.concatenate(
        [arc(x + sx * radius, y + sy * radius, radius, radius, a, a + 90, 5) for x, y, sx, sy, a in corners]
    )


def _spline_weights(steps: int) -> Points:
    t = np.arange(steps)[:, None] / steps
    return 0.5 * np.concatenate(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3], axis=1
    )


_WEIGHTS = _spline_weights(5)


def smooth(points: PointsLike) -> Points:
    """A closed smooth curve (Catmull-Rom) through `points`."""
    knots = np.asarray(points, dtype=np.float64)
    total = np.zeros((len(knots), len(_WEIGHTS), 2))
    for column, shift in enumerate((1, 0, -1, -2)):
        total += _WEIGHTS[None, :, column, None] * np.roll(knots, shift, axis=0)[:, None]
    return total.reshape(-1, 2)


def turn(points: PointsLike, degrees: int, about: tuple[float, float] = (0.0, 0.0)) -> Points:
    """Clockwise as seen on the picture."""
    cosine, sine = float(COSINE[degrees % 360]), float(SINE[degrees % 360])
    turned = np.asarray(points, dtype=np.float64) - about
    x, y = turned.T.copy()
    turned[:, 0] = x * cosine - y * sine + about[0]
    turned[:, 1] = x * sine + y * cosine + about[1]
    return turned


def stretch(
    points: Iterable[tuple[float, float]], scale_x: float, scale_y: float
) -> list[tuple[float, float]]:
    """`points` stretched."""
    return [(x * scale_x, y * scale_y) for x, y in points]
