"""Outlines of instances: a bright line around each mask, a dark line around that, and dark seams between masks."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.visualization.palette import DARK, PALETTE, WHITE
from instructsam.visualization.patches import Patch, stencil

_DARK_INK, _SEAM_INK = 1, 2 + len(PALETTE)  # values of the ink map; the colours lie between them
_THICKEST = 3  # px; a thicker outline is computed on a coarser grid


def draw_outlines(
    union: NDArray[np.bool_], patches: Sequence[Patch], colors: Sequence[int], line: int
) -> NDArray[np.uint8]:
    """uint8 [H, W] ink map: 0 no line, else an ink. Higher inks take precedence, so that no patch hides another's line.

    Each patch has a bright line, a dark one around that, and a dark seam where it touches another patch.
    """
    height, width = union.shape
    ink = np.zeros((height, width), dtype=np.uint8)
    dark = max(1, line // 2)
    for patch, color in zip(patches, colors, strict=True):
        if not patch.inside.size:
            continue
        margin = line + dark
        seam, bright, outer = _rings(_framed(patch.inside, margin), line, dark)
        x1, y1, x2, y2 = patch.box
        top, left = max(y1 - margin, 0), max(x1 - margin, 0)
        region = (slice(top, y2 + margin), slice(left, x2 + margin))
        view = ink[region]
        first_row, first_column = top - (y1 - margin), left - (x1 - margin)
        part = (
            slice(first_row, first_row + view.shape[0]),
            slice(first_column, first_column + view.shape[1]),
        )
        value = np.uint8(_DARK_INK + 1 + color % len(PALETTE))
        np.maximum(view, outer[part].view(np.uint8) * np.uint8(_DARK_INK), out=view)
        np.maximum(view, bright[part].view(np.uint8) * value, out=view)
        np.maximum(view, (seam[part] & union[region]).view(np.uint8) * np.uint8(_SEAM_INK), out=view)
        own = ink[y1:y2, x1:x2]
        closing = (patch.inside & _edge(patch.box, (width, height), line)).view(np.uint8) * value
        np.maximum(own, closing, out=own)
    return ink


def paint(image: Image.Image, ink: NDArray[np.uint8]) -> None:
    """Paint an ink map over an RGB image of its size."""
    used = Image.fromarray((ink > 0).view(np.uint8) * np.uint8(255))
    table = [*WHITE, *DARK, *(part for color in PALETTE for part in color), *DARK]
    swatches = Image.fromarray(ink).convert("P")
    swatches.putpalette(table)
    image.paste(swatches.convert("RGB"), mask=used)


def _framed(mask: NDArray[np.bool_], margin: int) -> NDArray[np.bool_]:
    """The mask with `margin` pixels around it; faster than `np.pad`."""
    wide = np.zeros((mask.shape[0] + 2 * margin, mask.shape[1] + 2 * margin), dtype=np.bool_)
    wide[margin:-margin, margin:-margin] = mask
    return wide


def _edge(box: tuple[int, int, int, int], size: tuple[int, int], line: int) -> NDArray[np.bool_]:
    """bool [h, w] of a box: its pixels at the border of the canvas, where the outline must be drawn inside."""
    x1, y1, x2, y2 = box
    rows, columns = np.arange(y1, y2), np.arange(x1, x2)
    at_rows = (rows < line) | (rows >= size[1] - line) if y1 == 0 or y2 == size[1] else rows < 0
    at_columns = (columns < line) | (columns >= size[0] - line) if x1 == 0 or x2 == size[0] else columns < 0
    return np.asarray(at_rows[:, None] | at_columns[None, :])


def _rings(
    wide: NDArray[np.bool_], line: int, dark: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """The seam, the bright and the dark line around a padded mask, bool [h, w] each, none of them on the mask."""
    step = ceil(line / _THICKEST)
    height, width = wide.shape
    small = wide
    if step > 1:
        small = np.asarray(stencil(wide).reduce(step)) > 0
    close = _grow(small, max(1, dark // step))
    near = _grow(close, max(1, line // step) - max(1, dark // step))
    far = _grow(near, max(1, dark // step))
    if step > 1:
        close, near, far = (
            np.asarray(stencil(grown).resize((grown.shape[1] * step, grown.shape[0] * step), 0))[
                :height, :width
            ]
            > 0
            for grown in (close, near, far)
        )
    return close & ~wide, near & ~wide, far & ~near


def _grow(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """The mask dilated by `by` steps, alternating 4-connected and 8-connected steps."""
    for step in range(by):
        grown = mask.copy()
        grown[1:] |= mask[:-1]
        grown[:-1] |= mask[1:]
        across = grown if step % 2 else mask
        result = grown.copy()
        result[:, 1:] |= across[:, :-1]
        result[:, :-1] |= across[:, 1:]
        mask = result
    return mask
