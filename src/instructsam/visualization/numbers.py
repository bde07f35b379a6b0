"""Numbers of instances: a tag in the colour of its instance, on it or beside it with a leader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from instructsam.visualization.labels import Anchor, Label, middle_of, place_labels
from instructsam.visualization.lettering import Lettering
from instructsam.visualization.palette import DARK, Color, color_of, ink_on
from instructsam.visualization.patches import Patch

CROWD = 25
"""Instances above which numbers are smaller."""


def number_lettering(size: int, count: int, smallest: int) -> Lettering:
    """The lettering of the numbers of `count` instances, beside text of this size."""
    return Lettering(size if count <= CROWD else max(smallest, round(0.8 * size)))


def anchor_of(patch: Patch, x: int = 0, y: int = 0) -> Anchor:
    """The anchor of a mask that is not empty, on a canvas in which the patch's one begins at (x, y)."""
    left, top, right, bottom = patch.box
    column, row = middle_of(patch.inside)
    box = (left + x, top + y, right + x, bottom + y)
    return Anchor(box, (left + x + column, top + y + row), patch.inside)


def draw_numbers(
    canvas: Image.Image, anchors: Sequence[Anchor], colors: Sequence[int], lettering: Lettering, thin: int
) -> list[int]:
    """Draw the number of each instance, from 1, where there is room.

    Args:
        canvas: RGB, drawn on.
        anchors: N instances.
        colors: N numbers of palette entries.
        lettering: of the numbers.
        thin: width of the lines, px.

    Returns:
        The indices, from 0, of the instances whose number was drawn.
    """
    covered = np.zeros((canvas.height, canvas.width), dtype=np.bool_)
    for anchor in anchors:
        left, top, right, bottom = anchor.box
        if anchor.inside.size:
            covered[top:bottom, left:right] |= anchor.inside
    sizes = [
        (round(lettering.length(str(number)) + 0.5 * lettering.size), round(1.15 * lettering.size))
        for number in range(1, len(anchors) + 1)
    ]
    labels = place_labels(anchors, sizes, covered)
    draw = ImageDraw.Draw(canvas)
    for label in labels:
        if label.beside:
            _draw_leader(draw, label, color_of(colors[label.index]), thin)
    for label in labels:
        color = color_of(colors[label.index])
        left, top, right, bottom = label.place
        corners = (left, top, right - 1, bottom - 1)
        draw.rounded_rectangle(corners, radius=lettering.size // 4, fill=color, outline=DARK, width=thin)
        text = str(label.index + 1)
        start = (left + right - lettering.length(text)) / 2
        lettering.draw(draw, start, (top + bottom) / 2, text, ink_on(color))
    return [label.index for label in labels]


def _draw_leader(draw: ImageDraw.ImageDraw, label: Label, color: Color, thin: int) -> None:
    """Draw a line from the tag to its instance."""
    left, top, right, bottom = label.place
    ends = ((left + right) / 2, (top + bottom) / 2, *label.point)
    draw.line(ends, fill=DARK, width=3 * thin)
    draw.line(ends, fill=color, width=thin)
