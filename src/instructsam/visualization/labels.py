"""Placement of instance numbers: on large instances, beside small ones, never overlapping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]  # left, top, right, bottom in px

_ROOMY = 9  # an instance of at least this many times the area of its tag gets the tag on it
_CELL = 4  # px of the grid on which covered pixels are counted
_THUMB = 48  # px, the resolution at which the middle of a mask is computed


@dataclass(frozen=True)
class Anchor:
    """An instance on the canvas: its box, a point well inside it, and its pixels bool [h, w] in that box."""

    box: Box
    point: tuple[int, int]
    inside: NDArray[np.bool_]


@dataclass(frozen=True)
class Label:
    """The place of the tag of instance `index`, and the point that a tag `beside` it refers to (canvas px)."""

    index: int
    place: Box
    point: tuple[int, int]
    beside: bool


def place_labels(
    anchors: Sequence[Anchor], sizes: Sequence[tuple[int, int]], covered: NDArray[np.bool_]
) -> list[Label]:
    """A place for each tag inside the canvas, without overlap, if possible near its instance and off the masks.

    Args:
        anchors: N instances.
        sizes: N (width, height) px of the tags.
        covered: bool [H, W], the pixels of all masks on the canvas.

    Returns:
        At most N labels; on a small canvas there may be no room for some.
    """
    height, width = covered.shape
    integral = _integral(covered)
    roomy = {i for i, anchor in enumerate(anchors) if _carries(anchor, sizes[i])}
    order = sorted(range(len(anchors)), key=lambda i: (i not in roomy, anchors[i].inside.size, i))
    taken = np.zeros((0, 4), dtype=np.int64)
    labels = []
    for index in order:
        anchor, size = anchors[index], sizes[index]
        if size[0] > width or size[1] > height:
            continue
        beside, best = False, None
        if index in roomy:
            best = _best(_centred(anchor.point, size, (width, height)), anchor, taken, integral)
        if best is None:
            near = [
                _around(box, size, (width, height)) for box in (anchor.box, (*anchor.point, *anchor.point))
            ]
            beside, best = True, _best(np.vstack(near), anchor, taken, integral)
        if best is None:
            best = _best(_everywhere(size, (width, height)), anchor, taken, integral)
        if best is not None:
            taken = np.vstack([taken, best])
            left, top, right, bottom = (int(v) for v in best)
            labels.append(Label(index, (left, top, right, bottom), anchor.point, beside))
    return sorted(labels, key=lambda label: label.index)


def middle_of(inside: NDArray[np.bool_]) -> tuple[int, int]:
    """(x, y) of a pixel well inside a mask, which must not be empty."""
    step = max(1, -(-max(inside.shape) // _THUMB))
    thumb = inside[step // 2 :: step, step // 2 :: step]
    if not thumb.any():  # thinner than the steps
        step, thumb = 1, inside
    core = np.zeros(
        (thumb.shape[0] + 2, thumb.shape[1] + 2), dtype=np.bool_
    )  # with a border outside the mask
    middle = core[1:-1, 1:-1]
    middle[:] = thumb
    while True:
        smaller = middle & core[2:, 1:-1] & core[:-2, 1:-1] & core[1:-1, 2:] & core[1:-1, :-2]
        if not smaller.any():
            break
        middle[:] = smaller
    rows, columns = np.nonzero(middle)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    offset = step // 2 if step > 1 else 0
    return int(columns[nearest]) * step + offset, int(rows[nearest]) * step + offset


def _carries(anchor: Anchor, size: tuple[int, int]) -> bool:
    """Whether the tag fits on the instance and covers little of it."""
    width, height = size
    if np.count_nonzero(anchor.inside) < _ROOMY * width * height:
        return False
    x, y = anchor.point[0] - anchor.box[0], anchor.point[1] - anchor.box[1]
    under = anchor.inside[max(y - height // 2, 0) : y + height // 2, max(x - width // 2, 0) : x + width // 2]
    return bool(np.count_nonzero(under) >= 0.8 * width * height)


def _best(
    places: NDArray[np.int64], anchor: Anchor, taken: NDArray[np.int64], integral: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """The box of int64 [C, 4] with the lowest cost that overlaps no tag; None if all overlap."""
    meets = (
        (places[:, None, 0] < taken[None, :, 2])
        & (taken[None, :, 0] < places[:, None, 2])
        & (places[:, None, 1] < taken[None, :, 3])
        & (taken[None, :, 1] < places[:, None, 3])
    ).any(axis=1)
    free = places[~meets]
    if not len(free):
        return None
    x1, y1, x2, y2 = (free // _CELL).T
    x2, y2 = np.minimum(x2 + 1, integral.shape[1] - 1), np.minimum(y2 + 1, integral.shape[0] - 1)
    hidden = (integral[y2, x2] - integral[y1, x2] - integral[y2, x1] + integral[y1, x1]) * _CELL**2
    left, top, right, bottom = anchor.box
    away_x = np.maximum(np.maximum(left - free[:, 2], free[:, 0] - right), 0)
    away_y = np.maximum(np.maximum(top - free[:, 3], free[:, 1] - bottom), 0)
    from_point = np.abs(free[:, :2] + free[:, 2:] - 2 * np.array(anchor.point)).sum(axis=1) / 2
    cost = hidden + (away_x + away_y + 0.2 * from_point) * (free[:, 3] - free[:, 1]) * 0.5
    return np.asarray(free[int(np.argmin(cost))])


def _boxes(corners: NDArray[np.int64], size: tuple[int, int], canvas: tuple[int, int]) -> NDArray[np.int64]:
    """int64 [C, 4] with these top left corners, clipped to the canvas."""
    limit = np.maximum(np.array(canvas) - size, 0)
    corners = np.clip(corners, 0, limit)
    return np.hstack([corners, corners + np.array(size)])


def _centred(point: tuple[int, int], size: tuple[int, int], canvas: tuple[int, int]) -> NDArray[np.int64]:
    return _boxes(np.array([[point[0] - size[0] // 2, point[1] - size[1] // 2]]), size, canvas)


def _around(box: Box, size: tuple[int, int], canvas: tuple[int, int]) -> NDArray[np.int64]:
    left, top, right, bottom = box
    width, height = size
    gap = max(4, height // 3)
    places = []
    for away in (gap, gap + height, gap + 2 * height, gap + 4 * height):
        columns = (left - width - away, left, (left + right - width) // 2, right - width, right + away)
        rows = (top - height - away, top, (top + bottom - height) // 2, bottom - height, bottom + away)
        places += [(x, y) for n, x in enumerate(columns) for m, y in enumerate(rows) if {n, m} & {0, 4}]
    return _boxes(np.array(places), size, canvas)


def _everywhere(size: tuple[int, int], canvas: tuple[int, int]) -> NDArray[np.int64]:
    steps = (max(size[0] // 2, 1), max(size[1] // 2, 1))
    columns, rows = np.arange(0, canvas[0], steps[0]), np.arange(0, canvas[1], steps[1])
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    return _boxes(grid, size, canvas)


def _integral(covered: NDArray[np.bool_]) -> NDArray[np.int64]:
    cells = covered[_CELL // 2 :: _CELL, _CELL // 2 :: _CELL]
    rows, columns = -(-covered.shape[0] // _CELL), -(-covered.shape[1] // _CELL)
    integral = np.zeros((rows + 1, columns + 1), dtype=np.int64)
    sums = cells.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    integral[1 : sums.shape[0] + 1, 1 : sums.shape[1] + 1] = sums
    integral[sums.shape[0] + 1 :] = integral[sums.shape[0]]
    integral[:, sums.shape[1] + 1 :] = integral[:, sums.shape[1]][:, None]
    return integral
