"""Douglas-Peucker for all rings of a mask together: within a tolerance, and no edge ever crosses another.

A chord replaces a chain of corners. A chain is split at its farthest corner while that is farther than the tolerance,
while its chord crosses or touches another one, and while another ring lies between chain and chord.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from instructsam.exports.pixel_rings import Rings

_PAIRS = 1 << 20  # of chords that are compared together
_CELL = 16  # px, side of the cells in which chords that may cross are looked for
_WIDTH_SHARE = 0.25  # largest tolerance as a share of a ring's width


def simplify_rings(rings: Rings, tolerance: float) -> Rings:
    """The rings with fewer corners, each within `tolerance` px of the exact one.

    A thin or small ring gets a smaller tolerance, a quarter of its width (twice its area by its length), so that it
    keeps its shape. The two ends of its leftmost edge are always kept.
    """
    if tolerance <= 0 or not rings.areas.size:
        return rings
    chains = _Chains(rings, tolerance)
    forced = None
    while True:
        chains.split(forced)
        chords = chains.chords()
        forced = np.unique(np.concatenate((_crossing(chords), _jumping(chords, rings))))
        if not forced.size:
            break
    kept = chains.kept_corners()
    owner = np.repeat(np.arange(rings.areas.size), rings.lengths)
    starts = np.concatenate(([0], np.cumsum(np.bincount(owner[kept], minlength=rings.areas.size))))
    return replace(rings, points=rings.points[kept], starts=starts, after=rings.after[kept])


@dataclass(frozen=True)
class _Chords:
    """C chords, ring after ring.

    Attributes:
        starts, ends: int64 [C, 2], x y.
        first, last: int64 [C], positions of the chain's ends among the closed rings' corners.
        rings: int64 [C], number of the ring.
        following: int64 [C], the next chord of the ring.
        points: of the closed rings.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    rings: NDArray[np.int64]
    following: NDArray[np.int64]
    points: NDArray[np.int64]

    @property
    def long(self) -> NDArray[np.bool_]:
        """Which chords replace corners."""
        return self.last - self.first > 1


class _Chains:
    """Rings closed by a copy of their first corner, and which corners are kept."""

    def __init__(self, rings: Rings, tolerance: float) -> None:
        self._rings = rings
        lengths, count = rings.lengths, rings.areas.size
        self._starts = rings.starts[:-1] + np.arange(count)  # a closed ring has one corner more
        self._ends = self._starts + lengths
        owner = np.repeat(np.arange(count), lengths + 1)
        source = np.arange(owner.size) - owner
        source[self._ends] = rings.starts[:-1]
        self._owner, self._points = owner, rings.points[source]
        self._keep = np.zeros(owner.size, np.bool_)
        self._keep[self._starts] = self._keep[self._ends] = True
        is_hole = rings.parents != np.arange(count)
        self._keep[np.where(is_hole, self._starts + 1, self._ends - 1)] = True  # the leftmost edge
        steps = np.abs(np.diff(self._points, axis=0)).sum(axis=1)
        steps[self._ends[:-1]] = 0
        perimeter = np.add.reduceat(np.append(steps, 0), self._starts)
        width = 2 * rings.areas / perimeter
        self._tolerances = np.minimum(tolerance, _WIDTH_SHARE * width)

    def split(self, forced: NDArray[np.int64] | None) -> None:
        """Split chains until each is within the tolerance.

        Args:
            forced: first corners of the chains to begin with, which are split at least once; None: all chains, as
                needed.
        """
        inner = np.flatnonzero(~self._keep)
        if forced is not None:
            kept = np.flatnonzero(self._keep)
            inner = inner[np.isin(kept[np.searchsorted(kept, inner) - 1], forced)]
        must = forced is not None
        while inner.size:
            kept = np.flatnonzero(self._keep)
            chain = np.searchsorted(kept, inner)
            start, end = kept[chain - 1], kept[chain]
            distances = _distances(self._points, inner, start, end)
            begins = np.flatnonzero(np.append(True, chain[1:] != chain[:-1]))
            counts = np.diff(begins, append=inner.size)
            farthest = np.maximum.reduceat(distances, begins)
            over = must | (farthest > self._tolerances[self._owner[start[begins]]])
            at = np.flatnonzero((distances == np.repeat(farthest, counts)) & np.repeat(over, counts))
            first = np.append(True, chain[at[1:]] != chain[at[:-1]])[: at.size]
            self._keep[inner[at[first]]] = True
            inner = inner[np.repeat(over, counts)]
            inner = inner[~self._keep[inner]]
            must = False

    def chords(self) -> _Chords:
        """The chords between kept corners."""
        kept = np.flatnonzero(self._keep)
        first, last = kept[:-1], kept[1:]
        within = self._owner[first] == self._owner[last]
        first, last = first[within], last[within]
        rings = self._owner[first]
        following = np.arange(1, first.size + 1)
        closing = np.flatnonzero(np.append(rings[1:] != rings[:-1], True))
        following[closing] = np.concatenate(([0], closing[:-1] + 1))
        return _Chords(self._points[first], self._points[last], first, last, rings, following, self._points)

    def kept_corners(self) -> NDArray[np.int64]:
        """Their positions among the corners of the open rings."""
        keep = self._keep.copy()
        keep[self._ends] = False
        kept = np.flatnonzero(keep)
        return kept - self._owner[kept]


def _distances(
    points: NDArray[np.int64], inner: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Of each inner corner to the segment from its start to its end; numbers of corners."""
    along_x, along_y = (points[end] - points[start]).T.astype(np.float64)
    offset_x, offset_y = (points[inner] - points[start]).T.astype(np.float64)
    squared = along_x**2 + along_y**2
    share = (offset_x * along_x + offset_y * along_y) / np.where(squared > 0, squared, 1)
    share = np.minimum(np.maximum(share, 0), 1)
    return np.asarray(np.hypot(offset_x - along_x * share, offset_y - along_y * share))


def _crossing(chords: _Chords) -> NDArray[np.int64]:
    """First corners of the long chords that meet another one elsewhere than in the end that they share."""
    long = np.flatnonzero(chords.long)
    if not long.size:
        return long
    low = np.minimum(chords.starts, chords.ends)
    high = np.maximum(chords.starts, chords.ends)
    owners, cells = _cells(low, high)
    order = np.argsort(cells, kind="stable")
    owners, cells = owners[order], cells[order]
    asking, asked = _cells(low[long], high[long])
    begin = np.searchsorted(cells, asked, side="left")
    counts = np.searchsorted(cells, asked, side="right") - begin
    totals = np.cumsum(counts)
    found = np.zeros(chords.first.size, np.bool_)
    start = 0
    while start < asked.size:
        before = totals[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(totals, before + _PAIRS, side="right")))
        these = counts[start:stop]
        first = long[np.repeat(asking[start:stop], these)]
        skipped = np.repeat(begin[start:stop] - np.cumsum(these) + these, these)
        second = owners[np.arange(first.size) + skipped]
        near = (first != second) & (low[first] <= high[second]).all(axis=1)
        near &= (low[second] <= high[first]).all(axis=1)
        first, second = first[near], second[near]
        meet = _meet(chords, first, second)
        found[first[meet]] = found[second[meet]] = True
        start = stop
    return chords.first[found & chords.long]


def _cells(low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cells of a grid that boxes cover: numbers of the boxes, and of one cell each."""
    first, last = low // _CELL, high // _CELL
    width, height = (last - first + 1).T
    counts = width * height
    owners = np.repeat(np.arange(len(low)), counts)
    place = np.arange(owners.size) - np.repeat(np.cumsum(counts) - counts, counts)
    row, column = np.divmod(place, width[owners])
    return owners, (first[owners, 1] + row << 32) + first[owners, 0] + column


def _meet(chords: _Chords, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether chords whose boxes overlap have more in common than the corner between neighbours."""
    a, b, c, d = chords.starts[first], chords.ends[first], chords.starts[second], chords.ends[second]
    meet = (np.sign(_side(a, b, c)) * np.sign(_side(a, b, d)) <= 0) & (
        np.sign(_side(c, d, a)) * np.sign(_side(c, d, b)) <= 0
    )
    for one, other, start, middle, end in ((first, second, a, b, d), (second, first, c, d, b)):
        neighbours = chords.following[one] == other
        turns_back = (_side(start, middle, end) == 0) & (((start - middle) * (end - middle)).sum(axis=1) > 0)
        meet &= ~neighbours | turns_back
    return np.asarray(meet)


def _side(a: NDArray[np.int64], b: NDArray[np.int64], c: NDArray[np.int64]) -> NDArray[np.int64]:
    along, across = b - a, c - a
    return np.asarray(along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0])


def _jumping(chords: _Chords, rings: Rings) -> NDArray[np.int64]:
    """First corners of the chords that have passed over a whole other ring, which now lies on their wrong side."""
    number = np.flatnonzero(chords.long)
    if rings.areas.size < 2 or not number.size:
        return np.zeros(0, np.int64)
    corners = rings.points[rings.starts[:-1]]
    order = np.argsort(corners[:, 0], kind="stable")
    firsts = chords.first[number]
    inner = chords.points[: chords.last[number[-1]] + 1]
    bounds = np.stack((firsts, chords.last[number] + 1), axis=1).ravel()[
        :-1
    ]  # of chains, and of what is between
    columns = [np.ascontiguousarray(column) for column in inner.T]
    low = np.stack([np.minimum.reduceat(column, bounds)[::2] for column in columns], axis=1)
    high = np.stack([np.maximum.reduceat(column, bounds)[::2] for column in columns], axis=1)
    begin = np.searchsorted(corners[order, 0], low[:, 0], side="left")
    end = np.searchsorted(corners[order, 0], high[:, 0], side="right")
    found = []
    for place, (chord, start, stop) in enumerate(
        zip(number.tolist(), begin.tolist(), end.tolist(), strict=True)
    ):
        others = order[start:stop]
        y = corners[others, 1]
        others = others[(y >= low[place, 1]) & (y <= high[place, 1]) & (others != chords.rings[chord])]
        chain = chords.points[chords.first[chord] : chords.last[chord] + 1]
        if others.size and _inside(corners[others], chain).any():
            found.append(chords.first[chord])
    return np.array(found, np.int64)


def _inside(points: NDArray[np.int64], ring: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether points lie inside a closed ring: the number of edges to their right is odd."""
    start, end = ring, np.roll(ring, -1, axis=0)
    x, y = points[:, 0, None], points[:, 1, None] + 0.5  # between corners; the pixel below the point counts
    spans = (start[:, 1] <= y) != (end[:, 1] <= y)
    height = np.where(end[:, 1] == start[:, 1], 1, end[:, 1] - start[:, 1])
    crossing = start[:, 0] + (y - start[:, 1]) * (end[:, 0] - start[:, 0]) / height
    odd: NDArray[np.bool_] = (spans & (crossing > x)).sum(axis=1) % 2 == 1
    return odd
