"""Picture sheets for judging scenes, their instructions, and the drawing of each kind."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from instructsam.world.scenes.drawings.raster import draw_tile
from instructsam.world.scenes.drawings.registry import draw_kind
from instructsam.world.scenes.scene import COLORS, KINDS, PATTERNS

CELL = 320
GAP = 16
FONT_SIZE = 15
LINE_HEIGHT = 20
LETTERS_PER_LINE = 42
PAPER = (252, 250, 246)
TEXT = (40, 40, 48)
# Okabe and Ito's palette, safe for colour-blind readers.
OUTLINES = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (230, 159, 0))


@dataclass(frozen=True)
class SheetCell:
    """One scene: `image` uint8 [H, W, 3], `masks` the targets as bool [H, W], `caption` the words below."""

    image: NDArray[np.uint8]
    masks: Sequence[NDArray[np.bool_]]
    caption: str


def _outlined(cell: SheetCell) -> Image.Image:
    """The picture fitted into a square cell, targets in full colour with an outline and the rest faded."""
    height, width = cell.image.shape[:2]
    scale = CELL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pixels = np.asarray(Image.fromarray(cell.image).resize(size, Image.Resampling.BICUBIC)).copy()
    masks = [Image.fromarray(mask.astype(np.uint8) * 255).resize(size) for mask in cell.masks]
    if masks:
        rest = ~np.any([np.asarray(mask) > 127 for mask in masks], axis=0)
        pixels[rest] = (pixels[rest] * np.float32(0.62) + np.float32(92)).astype(np.uint8)
    for index, mask in enumerate(masks):
        inside = np.asarray(mask) > 127
        edge = (np.asarray(mask.filter(ImageFilter.MaxFilter(5))) > 127) & ~inside
        pixels[edge] = OUTLINES[index % len(OUTLINES)]
    return Image.fromarray(pixels)


def scene_sheet(cells: Sequence[SheetCell], columns: int = 3) -> Image.Image:
    """A grid of scenes, the targets outlined, each instruction below its picture."""
    columns = max(1, min(columns, len(cells)))
    font = ImageFont.load_default(size=FONT_SIZE)
    texts = [
        [line for part in cell.caption.splitlines() for line in textwrap.wrap(part, LETTERS_PER_LINE) or [""]]
        for cell in cells
    ]
    lines = max((len(text) for text in texts), default=0)
    row_height = CELL + LINE_HEIGHT * lines + 2 * GAP
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (CELL + GAP) + GAP, max(1, rows) * row_height + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (cell, text) in enumerate(zip(cells, texts, strict=True)):
        x, y = GAP + index % columns * (CELL + GAP), GAP + index // columns * row_height
        picture = _outlined(cell)
        sheet.paste(picture, (x + (CELL - picture.width) // 2, y + (CELL - picture.height) // 2))
        for number, line in enumerate(text):
            draw.text((x, y + CELL + GAP // 2 + number * LINE_HEIGHT), line, fill=TEXT, font=font)
    return sheet


KIND_CELL = (236, 104)  # px, width and height
KIND_EXTENTS = (64, 64, 64, 30)  # px, sizes at which a person must recognise the kind
KINDS_ACROSS = 5


def kind_sheet() -> Image.Image:
    """Every kind with its name: plain, striped and dotted at 64 px, and once at 30 px, in changing colours."""
    width, height = KIND_CELL
    rows = -(-len(KINDS) // KINDS_ACROSS)
    sheet = Image.new("RGB", (KINDS_ACROSS * width + GAP, rows * height + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=FONT_SIZE)
    colors = tuple(COLORS)
    for number, kind in enumerate(KINDS):
        left, top = GAP // 2 + number % KINDS_ACROSS * width, GAP // 2 + number // KINDS_ACROSS * height
        x = left
        for column, extent in enumerate(KIND_EXTENTS):
            pattern = PATTERNS[column % len(PATTERNS)]
            picture = draw_kind(
                kind, COLORS[colors[(3 * number + column) % len(colors)]], 10 * number + column
            )
            center = (x + extent / 2, top + 34.0)
            tile = draw_tile(picture, center, extent * 0.92, 0, False, 4, pattern)
            sheet.paste(tile.image, (tile.left, tile.top), tile.image)
            x += extent - 4
        draw.text((left, top + 72), kind, fill=TEXT, font=font)
    return sheet
