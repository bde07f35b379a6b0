"""Pictures of a row for the review pages: the numbered overlay, the clean image, and a crop of every object."""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import ceil

import numpy as np
from PIL import Image

from instructsam.data.regions import region_code
from instructsam.engine.rows import ImageRow
from instructsam.engine.stages.base import Pictures
from instructsam.structures.masks import decode_cropped
from instructsam.visualization.overlay import draw_focus
from instructsam.visualization.palette import PAPER, color_of, to_hex
from instructsam.visualization.patches import Patch, scale_patch

MAX_SIDE = 960  # px of the overlay and of the clean image
MAX_BYTES = 200_000  # of one of them as JPEG

_QUALITIES = (84, 72, 60, 45)
_GRID = 128  # cells of the longer side: where a click belongs to an object
_TILE, _SMALL_TILE = 144, 96  # px
_MANY = 48  # objects with smaller tiles
_CONTEXT = 0.3  # of the longer side of an object's box, on each side
_LEAST_CONTEXT = 8  # px
_TILE_LINE = 2  # px


@dataclass(frozen=True)
class ShownObject:
    """An object of the page.

    Attributes:
        number: from 1.
        category: "" if unknown.
        color: of its outline in the crop, "#rrggbb".
        runs: its cells of the grid, row by row: lengths of runs, which begin with cells outside.
    """

    number: int
    category: str
    color: str
    runs: tuple[int, ...]


@dataclass(frozen=True)
class DrawnRow:
    """JPEG files of a row.

    Attributes:
        marked, clean: the image with and without its numbered outlines.
        tiles: one square crop per object, in rows; b"" without objects.
        columns: crops in one row of `tiles`.
        tile: side of a crop, px.
        grid: (width, height) in cells.
        objects: in their order.
    """

    marked: bytes
    clean: bytes
    tiles: bytes
    columns: int
    tile: int
    grid: tuple[int, int]
    objects: tuple[ShownObject, ...]


def draw_row(row: ImageRow, pictures: Pictures, max_side: int = MAX_SIDE) -> DrawnRow:
    """The pictures of a row.

    Raises:
        InputError: the image cannot be read, or its marks cannot be drawn.
    """
    clean = pictures.clean(row).convert("RGB")
    size = (row.image.width, row.image.height)
    scale = _GRID / max(size)
    grid = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    tile = _TILE if len(row.instances) <= _MANY else _SMALL_TILE
    columns = max(1, min(len(row.instances), 8 if tile == _TILE else 12))
    sheet = Image.new("RGB", (columns * tile, max(1, ceil(len(row.instances) / columns)) * tile), PAPER)
    objects = []
    for place, instance in enumerate(row.instances):
        at, inside = decode_cropped(region_code(instance, row.image))
        patch = Patch(*at, inside)
        runs = _runs(scale_patch(patch, size, grid), grid)
        objects.append(ShownObject(place + 1, instance.category, to_hex(color_of(place)), runs))
        crop = _crop(clean, patch, size, place, tile)
        sheet.paste(crop, (place % columns * tile, place // columns * tile))
    return DrawnRow(
        marked=_bounded(pictures.marked(row), max_side),
        clean=_bounded(clean, max_side),
        tiles=_jpeg(sheet, _QUALITIES[1]) if objects else b"",
        columns=columns,
        tile=tile,
        grid=grid,
        objects=tuple(objects),
    )


def _runs(patch: Patch, grid: tuple[int, int]) -> tuple[int, ...]:
    cells = np.zeros((grid[1], grid[0]), dtype=np.bool_)
    left, top, right, bottom = patch.box
    cells[top:bottom, left:right] = patch.inside
    line = cells.ravel()
    ends = np.append(np.flatnonzero(line[1:] != line[:-1]) + 1, line.size)
    lengths = [int(length) for length in np.diff(ends, prepend=0)]
    return (0, *lengths) if line[0] else tuple(lengths)


def _crop(image: Image.Image, patch: Patch, size: tuple[int, int], place: int, tile: int) -> Image.Image:
    """An object with its surroundings, which are grey, in a square.

    Args:
        image: RGB, enlarged or shrunk.
        patch: the object in px of the original image.
        size: (width, height) px of the original image.
        place: index of its colour.
        tile: side of the square, px.
    """
    left, top, right, bottom = patch.box
    longer = max(right - left, bottom - top)
    half = longer / 2 + max(_LEAST_CONTEXT, _CONTEXT * longer)
    x, y = (left + right) / 2, (top + bottom) / 2
    window = (
        max(0, int(x - half)),
        max(0, int(y - half)),
        min(size[0], ceil(x + half)),
        min(size[1], ceil(y + half)),
    )
    width, height = window[2] - window[0], window[3] - window[1]
    scale = tile / max(width, height)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    shares = (image.width / size[0], image.height / size[1]) * 2
    box = tuple(edge * share for edge, share in zip(window, shares, strict=True))
    part = image.resize(
        fitted, Image.Resampling.BILINEAR, box=(box[0], box[1], box[2], box[3]), reducing_gap=2.0
    )
    moved = Patch(patch.left - window[0], patch.top - window[1], patch.inside)
    drawn = draw_focus(part, [scale_patch(moved, (width, height), fitted)], [place], _TILE_LINE)
    square = Image.new("RGB", (tile, tile), PAPER)
    square.paste(drawn, ((tile - fitted[0]) // 2, (tile - fitted[1]) // 2))
    return square


def _bounded(image: Image.Image, max_side: int) -> bytes:
    """The image as a JPEG of at most `max_side` px and about `MAX_BYTES`."""
    while True:
        scale = min(1.0, max_side / max(image.size))
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        small = image.convert("RGB").resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        for quality in _QUALITIES:
            found = _jpeg(small, quality)
            if len(found) <= MAX_BYTES:
                return found
        max_side = max_side * 3 // 4


def _jpeg(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=quality, optimize=True)
    return stream.getvalue()
