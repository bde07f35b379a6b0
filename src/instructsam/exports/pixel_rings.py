"""Outlines of a mask along pixel edges: rings of corners, outer ones and holes. Numpy.

Coordinates are pixel edges: the pixel in row y and column x is the square from (x, y) to (x + 1, y + 1). Corners follow
from the changes between neighbouring pixels of each row: a corner lies where a change has no continuation in the row
above or below. Sorted by row, two corners in turn bound a horizontal edge; sorted by column, a vertical edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_ENTERS, _LEAVES = 1, -1  # a change from background to mask, and back; from left to right


@dataclass(frozen=True)
class Rings:
    """R closed rings with n corners in all; each is simple, and rings touch in corners at most.

    Attributes:
        points: int64 [n, 2], x y of the corners, ring after ring. An outer ring runs clockwise on the screen, a hole
            anticlockwise; each starts at its leftmost corner, of several at the upper one.
        starts: int64 [R + 1], first corner of each ring, and n.
        parents: int64 [R], for a hole its outer ring, for an outer ring itself.
        areas: int64 [R], pixels that each ring encloses.
        after: bool [n, 2], whether the mask lies before a corner's vertical edge (in x), its horizontal edge (in y).
    """

    points: NDArray[np.int64]
    starts: NDArray[np.int64]
    parents: NDArray[np.int64]
    areas: NDArray[np.int64]
    after: NDArray[np.bool_]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Corners of each ring."""
        return np.diff(self.starts)


def trace_rings(mask: NDArray[np.bool_]) -> Rings:
    """The rings of a mask, bool [H, W]; none for an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        nothing = np.zeros(0, np.int64)
        corners = np.zeros((0, 2), np.int64)
        return Rings(corners, np.zeros(1, np.int64), nothing, nothing, corners.astype(np.bool_))
    part = mask[rows[0] : rows[-1] + 1]
    columns = np.flatnonzero(part.any(axis=0))
    part = part[:, columns[0] : columns[-1] + 1]
    rings = _Tracer(part).rings()
    offset = np.array([columns[0], rows[0]])
    return replace(rings, points=rings.points + offset)


class _Tracer:
    """Traces one mask that has been cut to its box."""

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        height, width = mask.shape
        padded = np.zeros((height, width + 1), np.bool_)  # a background column ends the last run of each row
        padded[:, :-1] = mask
        flat = padded.ravel()
        changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        self.changes = np.concatenate(([0], changes)) if flat[0] else changes
        self.stride = width + 1
        self.column_stride = height + 2
        self._find_corners()
        self._link()

    def _find_corners(self) -> None:
        """`places` (y * stride + x, sorted; a corner of two diagonal pixels twice), and the change below each."""
        signs = np.where(np.arange(self.changes.size) % 2, _LEAVES, _ENTERS)
        places = np.concatenate(
            (self.changes, self.changes + self.stride)
        )  # upper and lower end of each change
        order = np.argsort(places, kind="stable")  # of equal places, the change below comes first
        places, signs = places[order], np.concatenate((signs, signs))[order]
        equal = np.concatenate((places[1:] == places[:-1], [False]))
        second = np.concatenate(([False], equal[:-1]))
        meets = np.zeros(places.size, np.bool_)
        meets[:-1] = equal[:-1] & (signs[1:] != signs[:-1])  # of diagonal pixels
        diagonal = meets | np.concatenate(([False], meets[:-1]))
        kept = diagonal | ~(equal | second)
        below = signs.copy()
        below[1:][meets[:-1]] = signs[:-1][meets[:-1]]
        self.places, self.below, self.diagonal = places[kept], below[kept], diagonal[kept]
        self.y, self.x = np.divmod(self.places, self.stride)

    def _link(self) -> None:
        """`following`: the next corner of each on its ring; the mask is to the right of every edge."""
        count = self.places.size
        # The two twins of a diagonal: the first has the edge to the left, the second that to the right. They are
        # linked so that diagonal pixels are not connected: pixels left above and right below: the first goes up.
        twin = np.zeros(count, np.int64)
        twin[np.flatnonzero(self.diagonal)[1::2]] = 1
        flipped = self.diagonal & (self.below == _LEAVES)
        keys = self.x * self.column_stride + self.y
        order = np.argsort(2 * keys + np.where(flipped, 1 - twin, twin), kind="stable")
        self.upper, self.lower = order[0::2], order[1::2]
        down = self.below[self.upper] == _LEAVES
        following = np.full(count, -1, np.int64)
        following[self.upper[down]] = self.lower[down]
        following[self.lower[~down]] = self.upper[~down]
        left = np.arange(0, count, 2)
        goes_left = following[left] >= 0  # its vertical edge leaves it, so the horizontal one arrives
        following[left[goes_left] + 1] = left[goes_left]
        following[left[~goes_left]] = left[~goes_left] + 1
        self.following = following

    def _walk(self) -> list[list[int]]:
        """Corner numbers of each ring; a ring that would meet itself at a diagonal becomes two."""
        following, places = self.following.tolist(), self.places.tolist()
        diagonal = self.diagonal.tolist()
        seen = [False] * len(following)
        rings: list[list[int]] = []
        for first in range(len(following)):
            if seen[first]:
                continue
            path: list[int] = []
            met: dict[int, int] = {}  # place of a diagonal -> its position in the path
            corner = first
            while not seen[corner]:
                seen[corner] = True
                if diagonal[corner]:
                    at = met.get(places[corner])
                    if at is not None:
                        loop = path[at:]
                        del path[at:]
                        rings.append(loop)
                        for other in loop:
                            met.pop(places[other], None)
                    met[places[corner]] = len(path)
                path.append(corner)
                corner = following[corner]
            rings.append(path)
        return rings

    def rings(self) -> Rings:
        """All rings."""
        walked = self._walk()
        lengths = np.array([len(ring) for ring in walked], np.int64)
        starts = np.concatenate(([0], np.cumsum(lengths)))
        corners = np.array([corner for ring in walked for corner in ring], np.int64)
        owner = np.repeat(np.arange(len(walked)), lengths)
        keys = self.x[corners] * self.column_stride + self.y[corners]
        lowest = np.minimum.reduceat(keys, starts[:-1])
        first = np.flatnonzero(keys == lowest[owner])  # once per ring, as rings are simple
        places = np.arange(corners.size) - starts[owner]
        turned = starts[owner] + (places + (first - starts[:-1])[owner]) % lengths[owner]
        points = np.stack((self.x[corners], self.y[corners]), axis=1)[turned]
        x, y = points.T
        following = np.arange(1, corners.size + 1)
        following[starts[1:] - 1] = starts[:-1]
        doubled = np.add.reduceat(x * y[following] - x[following] * y, starts[:-1])
        # An edge down has the mask on its left, an edge to the left has it above. A corner ends or starts one of each.
        step = points[following] - points
        follows = np.stack((step[:, 1] > 0, step[:, 0] < 0), axis=1)
        after = follows.copy()
        after[following] |= follows
        ring_of = np.empty(corners.size, np.int64)
        ring_of[corners] = owner
        parents = self._parents(points[starts[:-1]], doubled, ring_of)
        return Rings(points, starts, parents, np.abs(doubled) // 2, after)

    def _parents(
        self, leftmost: NDArray[np.int64], doubled: NDArray[np.int64], ring_of: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The outer ring of each ring: the run of pixels to the left of a hole starts at an edge of the same part."""
        parents = np.arange(len(leftmost))
        holes = np.flatnonzero(doubled < 0)
        if not holes.size:
            return parents
        x, y = leftmost[holes].T
        entries = self.changes[np.searchsorted(self.changes, y * self.stride + x) - 1] - y * self.stride
        tops = self.x[self.upper] * self.column_stride + self.y[self.upper]
        edges = np.searchsorted(tops, entries * self.column_stride + y, side="right") - 1
        met = ring_of[
            self.lower[edges]
        ]  # an edge that is entered runs upwards and belongs to its lower corner
        for place in np.argsort(x, kind="stable"):  # the ring that was met lies further to the left
            parents[holes[place]] = parents[met[place]]
        return parents
