"""From a `Picture` to a small RGBA tile, supersampled, with whole-pixel coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from instructsam.world.scenes.drawings.patterns import paint_pattern
from instructsam.world.scenes.drawings.sketch import Picture, Shape

LINE_SHARE = 0.021


@dataclass(frozen=True)
class Tile:
    """`image` is RGBA; its upper left pixel lies at (`left`, `top`) of the scene."""

    image: Image.Image
    left: int
    top: int


def _dots(
    draw: ImageDraw.ImageDraw, points: list[tuple[int, int]], width: int, color: tuple[int, ...]
) -> None:
    low, high = width // 2, (width - 1) // 2
    for x, y in points:
        draw.ellipse((x - low, y - low, x + high, y + high), fill=color)


def _sharp_corners(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The corners of a closed outline that turn by more than about 20 degrees."""
    here = np.array(points, dtype=np.float64)
    before, after = here - np.roll(here, 1, axis=0), np.roll(here, -1, axis=0) - here
    straight = (before * after).sum(axis=1)
    lengths = np.sqrt((before**2).sum(axis=1) * (after**2).sum(axis=1))
    return [point for point, sharp in zip(points, straight < 0.94 * lengths, strict=True) if sharp]


def _line(
    draw: ImageDraw.ImageDraw,
    points: list[tuple[int, int]],
    corners: list[tuple[int, int]],
    width: int,
    color: tuple[int, ...],
) -> None:
    """`corners` are the places that need a round joint, since wide lines leave a notch there."""
    draw.line(points, fill=color, width=width)
    if width > 3:
        _dots(draw, corners, width, color)


def _draw_shape(
    draw: ImageDraw.ImageDraw, shape: Shape, scale: float, shift: tuple[float, float], line_width: int
) -> None:
    rounded = np.floor(np.round(shape.points * scale + shift, 4) + 0.5).astype(np.int64)
    points = [(x, y) for x, y in rounded.tolist()]
    fill = (0, 0, 0, 0) if shape.fill is None else (*shape.fill, 255)
    line = None if shape.line is None else (*shape.line, 255)
    if shape.width:
        width = max(1, math.floor(shape.width * scale + 0.5))
        if line is not None:
            _line(draw, points, points, width + 2 * line_width, line)
        _line(draw, points, points, width, fill)
        return
    draw.polygon(points, fill=fill)
    if line is not None:
        _line(draw, [*points, points[0]], _sharp_corners(points) if line_width > 3 else [], line_width, line)


def draw_tile(
    picture: Picture,
    center: tuple[float, float],
    extent: float,
    degrees: int,
    mirrored: bool,
    supersample: int,
    pattern: str = "plain",
) -> Tile:
    """`picture` with the middle of its box at `center` (px) and an untilted longest extent of `extent` px."""
    x1, y1, x2, y2 = picture.box_xyxy(degrees, mirrored)
    origin = (center[0] - (x1 + x2) / 2 * extent, center[1] - (y1 + y2) / 2 * extent)
    margin = 2.0 + LINE_SHARE * extent
    left, top = math.floor(origin[0] + x1 * extent - margin), math.floor(origin[1] + y1 * extent - margin)
    right, bottom = math.ceil(origin[0] + x2 * extent + margin), math.ceil(origin[1] + y2 * extent + margin)
    image = Image.new("RGBA", ((right - left) * supersample, (bottom - top) * supersample))
    draw = ImageDraw.Draw(image)
    shift = ((origin[0] - left) * supersample, (origin[1] - top) * supersample)
    line_width = max(1, math.floor(LINE_SHARE * extent * supersample + 0.5))
    for shape in picture.turned(degrees, mirrored):
        _draw_shape(draw, shape, extent * supersample, shift, line_width)
    if pattern != "plain":
        pixels = np.array(image)
        paint_pattern(pixels, picture, pattern, shift, extent * supersample, degrees, mirrored)
        image = Image.fromarray(pixels)
    return Tile(image.reduce(supersample) if supersample > 1 else image, left, top)
