"""Stripes and dots on the parts of a thing that have its own colour.

They lie in the thing's own frame, so they turn and flip with it; outlines, faces and other colours stay as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instructsam.world.scenes.drawings.geometry import COSINE, SINE
from instructsam.world.scenes.drawings.sketch import WHITE, Picture, mix

STRIPES = 9  # bands of either colour along the longest extent
DOTS = 7  # rows of dots along the longest extent
DOT_RADIUS = 0.31  # of the distance between dots
BRIGHT = 0.86  # share of white in what is painted


def paint_pattern(
    pixels: NDArray[np.uint8],
    picture: Picture,
    pattern: str,
    origin: tuple[float, float],
    extent: float,
    degrees: int,
    mirrored: bool,
) -> None:
    """Paint `pattern` (a name of `scene.PATTERNS` other than "plain") over the base colour, in place.

    Args:
        pixels: RGBA [H, W, 4], drawn without smoothing.
        picture: what is drawn there.
        origin: where the picture's (0, 0) lies, px.
        extent: px per unit of the picture.
        degrees, mirrored: how the picture was turned.
    """
    rows, columns = np.nonzero((pixels[..., :3] == np.array(picture.base, dtype=np.uint8)).all(axis=2))
    x = (columns.astype(np.float32) + np.float32(0.5) - np.float32(origin[0])) / np.float32(extent)
    y = (rows.astype(np.float32) + np.float32(0.5) - np.float32(origin[1])) / np.float32(extent)
    cosine, sine = np.float32(COSINE[degrees % 360]), np.float32(SINE[degrees % 360])
    x, y = x * cosine + y * sine, y * cosine - x * sine
    if mirrored:
        x = -x
    if pattern == "striped":
        x1, y1, x2, y2 = picture.box_xyxy(0, False)
        along = x if x2 - x1 > y2 - y1 else y
        painted = np.floor((along + np.float32(0.5)) * np.float32(STRIPES)) % 2 == 1
    else:
        u, v = x * np.float32(DOTS), y * np.float32(DOTS)
        row = np.floor(v)
        u = u + np.float32(0.5) * (row % 2)
        near = (u - np.floor(u) - np.float32(0.5)) ** 2 + (v - row - np.float32(0.5)) ** 2
        painted = near < np.float32(DOT_RADIUS**2)
    pixels[rows[painted], columns[painted], :3] = mix(picture.base, WHITE, BRIGHT)
