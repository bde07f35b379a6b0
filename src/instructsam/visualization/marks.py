"""Set-of-marks pictures (arXiv 2310.11441): the image with a thin outline and a number for each object.

The marks are for questions to a vision-language model, so nothing is dimmed or tinted: objects keep their colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from instructsam.errors import InputError
from instructsam.visualization.numbers import anchor_of, draw_numbers, number_lettering
from instructsam.visualization.outlines import draw_outlines, paint
from instructsam.visualization.palette import DARK, color_of
from instructsam.visualization.patches import Patch, fit, scale_patch, stencil
from instructsam.visualization.regions import RING_RADIUS, draw_points

_LETTERS = 38  # sizes of a letter that make up the side of a square picture
_SMALLEST = 13  # px of a letter; smaller ones are hard to read for models with patches of 28 or 32 px


@dataclass(frozen=True)
class Mark:
    """An object to be numbered.

    Attributes:
        patch: its mask in px of the image, cut to its box; its filled box or the pixel of a point where that is known.
        known: what `patch` is.
    """

    patch: Patch
    known: Literal["mask", "box", "point"] = "mask"


def draw_marks(
    image: Image.Image, marks: Sequence[Mark], size: tuple[int, int]
) -> tuple[Image.Image, list[int]]:
    """The image with the numbered outlines of its objects, from 1.

    Args:
        image: RGB, enlarged or shrunk.
        marks: N objects.
        size: (width, height) px of the original image, in which the marks are given.

    Returns:
        A new RGB image of the size of `image`, and the numbers for which there was no room.

    Raises:
        InputError: a mask is empty.
    """
    for number, mark in enumerate(marks, start=1):
        if not mark.patch.inside.any():
            raise InputError(f"object {number} has an empty mask, so it cannot be marked: leave it out")
    canvas = fit(image, image.size).copy()
    weight = sqrt(canvas.width * canvas.height)
    line = max(1, round(weight / 300))
    patches = [scale_patch(mark.patch, size, canvas.size) for mark in marks]
    indices: dict[str, list[int]] = {"mask": [], "box": [], "point": []}
    for index, mark in enumerate(marks):
        indices[mark.known].append(index)
    _outline(canvas, patches, indices["mask"], line)
    for index in indices["box"]:
        _draw_box(canvas, patches[index], index, line)
    for index in indices["point"]:
        patches[index] = _ring_patch(patches[index], canvas.size)
    anchors = [anchor_of(patch) for patch in patches]
    if indices["point"]:
        canvas = draw_points(canvas, [anchors[index].point for index in indices["point"]], indices["point"])
    lettering = number_lettering(max(_SMALLEST, round(weight / _LETTERS)), len(marks), _SMALLEST)
    drawn = draw_numbers(canvas, anchors, range(len(marks)), lettering, max(1, line // 2))
    return canvas, [index + 1 for index in range(len(marks)) if index not in drawn]


def _outline(canvas: Image.Image, patches: Sequence[Patch], indices: Sequence[int], line: int) -> None:
    """Draw the outlines of these masks."""
    union = Image.new("L", canvas.size)
    for index in indices:
        union.paste(255, patches[index].box, stencil(patches[index].inside))
    ink = draw_outlines(np.asarray(union) > 0, [patches[index] for index in indices], indices, line)
    paint(canvas, ink)


def _draw_box(canvas: Image.Image, patch: Patch, color: int, line: int) -> None:
    """Draw a rectangle just inside a box, between dark lines."""
    left, top, right, bottom = patch.box
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((left, top, right - 1, bottom - 1), outline=DARK, width=line + 2)
    inner = (left + 1, top + 1, max(right - 2, left + 1), max(bottom - 2, top + 1))
    draw.rectangle(inner, outline=color_of(color), width=line)


def _ring_patch(patch: Patch, canvas: tuple[int, int]) -> Patch:
    """The square around the ring of a point, for the place of its number."""
    x, y = (patch.box[0] + patch.box[2]) // 2, (patch.box[1] + patch.box[3]) // 2
    left, top = max(x - RING_RADIUS, 0), max(y - RING_RADIUS, 0)
    right, bottom = min(x + RING_RADIUS + 1, canvas[0]), min(y + RING_RADIUS + 1, canvas[1])
    return Patch(left, top, np.ones((bottom - top, right - left), dtype=np.bool_))
