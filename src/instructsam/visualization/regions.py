"""Regions that are no instances, over an image: hatched where pixels count for nothing, and rings around points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from instructsam.visualization.palette import DARK, WHITE, color_of

_STRIPES = 8  # px from one stripe to the next
RING_RADIUS = 7  # px of a ring


def hatch(image: Image.Image, region: NDArray[np.bool_]) -> Image.Image:
    """The RGB image with diagonal stripes over a region, bool [H, W]."""
    rows, columns = np.indices(region.shape)
    phase = (rows + columns) % _STRIPES
    pixels = np.array(image.convert("RGB"))
    pixels[region & (phase < 2)] = WHITE
    pixels[region & (phase == 2)] = DARK
    return Image.fromarray(pixels)


def draw_points(
    image: Image.Image, points_xy: Sequence[tuple[float, float]], colors: Sequence[int]
) -> Image.Image:
    """The RGB image with a ring around each point.

    Args:
        points_xy: in px of this image.
        colors: numbers of palette entries.
    """
    drawn = image.convert("RGB")
    draw = ImageDraw.Draw(drawn)
    for (x, y), color in zip(points_xy, colors, strict=True):
        for radius, ink in ((RING_RADIUS, DARK), (RING_RADIUS - 2, color_of(color)), (2, DARK)):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
        draw.ellipse((x - 1, y - 1, x + 1, y + 1), fill=WHITE)
    return drawn
