"""Masks -> polygons with holes, on pixel edges: exact, or simplified within a tolerance. Numpy alone.

The pixel in row y and column x is the square from (x, y) to (x + 1, y + 1). Rasterising the exact polygons, a pixel
being inside when its centre is, gives the mask again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructsam.exports.pixel_rings import trace_rings
from instructsam.exports.simplify import simplify_rings


@dataclass(frozen=True)
class Polygon:
    """A connected part of a mask.

    Attributes:
        outer: float64 [n, 2], x y px of the outer ring, clockwise on the screen; the first corner is not repeated.
        holes: rings inside it, anticlockwise.
    """

    outer: NDArray[np.float64]
    holes: tuple[NDArray[np.float64], ...] = ()


INSET = 0.05
"""px by which edges are pulled into the mask, for programs that draw corners as pixels.

Such a program (OpenCV's fillPoly) cuts the fraction off a corner and fills the pixel that is left: with the inset, the
last pixel of the mask (except where two pixels touch in a corner alone), also after rounding to 32 bits. COCO's
rasteriser rounds the inset away, and no centre of a pixel lies in it.
"""


def mask_polygons(mask: NDArray[np.bool_], tolerance: float = 0.0, inset: float = 0.0) -> list[Polygon]:
    """The polygons of a mask, bool [H, W], the largest first; none for an empty mask.

    Pixels that share an edge are one polygon; a diagonal contact does not connect. Rings never cross, and no part or
    hole is lost at any tolerance.

    Args:
        mask: bool [H, W].
        tolerance: largest distance in px between a simplified ring and the exact one. 0 keeps every corner. Small and
            thin rings get less, a quarter of their width.
        inset: 0, or `INSET`.
    """
    rings = simplify_rings(trace_rings(mask), tolerance)
    found = np.split(rings.points + inset * (1 - 2 * rings.after.astype(np.int64)), rings.starts[1:-1])
    outers = np.flatnonzero(rings.parents == np.arange(rings.parents.size))
    holes: dict[int, list[NDArray[np.float64]]] = {}
    for number in np.flatnonzero(rings.parents != np.arange(rings.parents.size)).tolist():
        holes.setdefault(int(rings.parents[number]), []).append(found[number])
    ordered = outers[np.argsort(-rings.areas[outers], kind="stable")].tolist()
    return [Polygon(found[number], tuple(holes.get(number, ()))) for number in ordered]


def keyhole_ring(polygon: Polygon) -> NDArray[np.float64]:
    """The polygon as one ring [n, 2]: for formats without holes.

    Each hole is joined to the ring on its left by a cut of no width, which the ring runs along twice. Filling the ring
    by either rule, even-odd or non-zero, gives the polygon with its holes.
    """
    ring = polygon.outer
    for hole in sorted(polygon.holes, key=lambda points: (points[0, 0], points[0, 1])):
        ring = _cut_to(ring, hole)
    return ring


def joined_ring(polygons: Sequence[Polygon]) -> NDArray[np.float64]:
    """All polygons as one ring: for formats with one ring per instance.

    Parts are joined by lines of no width between their nearest corners. The even-odd and non-zero rules give the mask
    again; a program that also draws the ring's border draws these lines.
    """
    ring, *others = [keyhole_ring(polygon) for polygon in polygons]
    for other in others:
        here, there = _nearest(ring, other)
        turned = np.concatenate((other[there:], other[: there + 1]))
        ring = np.concatenate((ring[: here + 1], turned, ring[here:]))
    return ring


def _cut_to(ring: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ring with a hole, whose leftmost edge is that between its first two corners, joined on its left."""
    x, y = hole[0, 0], hole[0, 1] + 0.5  # on that edge
    start, end = ring, np.roll(ring, -1, axis=0)
    spans = np.flatnonzero((start[:, 1] <= y) != (end[:, 1] <= y))
    start, end = start[spans], end[spans]
    crossings = start[:, 0] + (y - start[:, 1]) * (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
    left = np.flatnonzero(crossings < x)
    nearest = left[crossings[left].argmax()]
    at = int(spans[nearest]) + 1
    cut = np.array([[crossings[nearest], y]]), np.array([[x, y]])
    return np.concatenate((ring[:at], *cut, hole[1:], hole[:1], *cut[::-1], ring[at:]))


def _nearest(ring: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[int, int]:
    """Positions of the two corners that are nearest to each other; of many corners only some are compared."""
    steps = [max(1, len(points) // 500) for points in (ring, other)]
    some = ring[:: steps[0]], other[:: steps[1]]
    squared = ((some[0][:, None] - some[1][None]) ** 2).sum(axis=2)
    here, there = np.unravel_index(int(squared.argmin()), squared.shape)
    return int(here) * steps[0], int(there) * steps[1]
