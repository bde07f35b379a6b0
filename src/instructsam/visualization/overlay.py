"""The overlay picture: chosen instances keep their colours, the rest is grey and dim (PIL, numpy).

Every chosen instance has a bright outline with a dark line beside it, and a number; the strip below holds one legend
entry per phrase. `draw_focus` is the picture alone, which the reports use, too.
Shapes: N instances; H, W the image; the canvas is the image enlarged or shrunk, with the strip below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from instructsam.errors import InputError
from instructsam.visualization.labels import Anchor, Label, middle_of, place_labels
from instructsam.visualization.legend import add_strip
from instructsam.visualization.lettering import Lettering
from instructsam.visualization.palette import DARK, PALETTE, PAPER, WHITE, Color, color_of, ink_on

MAX_PIXELS = 1_200_000  # of an overlay: enough for a screen, and cheaper to write than the answer

_MIN_LONG_SIDE, _MIN_LONG_SIDE_OF_CROWD = 480, 960
_MAX_LONG_SIDE = 16_000  # what every format can hold
_CROWD = 25
_MIN_CANVAS = (320, 48)
# Black becomes lighter, so that it differs from chosen black; steps of 3 cannot be seen and make smaller files.
_DIM = [3 * round((36 + 0.45 * value) / 3) for value in range(256)]
_DARK_INK, _SEAM_INK = 1, 2 + len(PALETTE)  # values of the ink map; the colours lie between them
_THICKEST = 3  # px; a thicker outline is computed on a coarser grid


@dataclass(frozen=True)
class Patch:
    """A mask cut out of the canvas: `inside` bool [h, w] at column `left`, row `top`; h = w = 0 for an empty mask."""

    left: int
    top: int
    inside: NDArray[np.bool_]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """left, top, right, bottom on the canvas."""
        height, width = self.inside.shape
        return self.left, self.top, self.left + width, self.top + height


def draw_overlay(
    image: Image.Image,
    masks: NDArray[np.bool_],
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    phrase_ids: NDArray[np.int64],
    phrases: Sequence[str],
    instruction: str = "",
    note: str = "",
    mode: str = "",
    max_pixels: int | None = MAX_PIXELS,
) -> Image.Image:
    """Draws instances over their image, with numbers and a legend.

    Args:
        image: RGB, the upright image that was segmented.
        masks: bool [N, H, W] at the size of the image.
        boxes_xyxy: float32 [N, 4] px, where the number of an empty mask goes.
        scores: float32 [N].
        phrase_ids: int64 [N].
        phrases: the entries of the legend, also those without an instance.
        instruction: the first line of the strip; left out when it only repeats the phrases.
        note: a further line of the strip.
        mode: how the answer was produced, named beside the legend.
        max_pixels: larger images are shrunk to this many pixels; None draws at the size of the image.

    Returns:
        A new RGB picture; images below 480 px are enlarged by a whole number.
    """
    if masks.shape[1:] != (image.height, image.width):
        shape = (image.height, image.width)
        raise InputError(f"masks must have the size of the image {shape}, got {masks.shape[1:]}")
    size = canvas_size(image.size, len(masks), max_pixels)
    weight = sqrt(size[0] * size[1])  # what a square picture of this area is wide
    line = max(2, round(weight / 380))
    patches = cut_patches(masks, size)
    several = len(phrases) > 1
    colors = [int(phrase) if several else number for number, phrase in enumerate(phrase_ids)]
    canvas = _pad(draw_focus(fit(image, size), patches, colors, line))
    lettering = Lettering(max(13, round(weight / 45)))
    anchors = _anchors(patches, boxes_xyxy, image.size, size, canvas.size)
    unnumbered = len(anchors) - _draw_numbers(canvas, anchors, colors, lettering, line)
    return add_strip(
        canvas,
        lettering,
        instruction,
        phrases,
        phrase_ids,
        scores,
        mode=mode,
        note=note,
        unnumbered=unnumbered,
    )


def draw_focus(image: Image.Image, patches: Sequence[Patch], colors: Sequence[int], line: int) -> Image.Image:
    """The picture alone: what lies inside keeps its colours and is outlined, the rest is grey and dim.

    Args:
        image: RGB, at the size of the canvas.
        patches: N masks on this canvas.
        colors: N numbers of palette entries.
        line: width of the outlines, px.
    """
    union = Image.new("L", image.size)
    for patch in patches:
        union.paste(255, patch.box, _stencil(patch.inside))
    picture = image.convert("L").point(_DIM).convert("RGB")
    picture.paste(image, mask=union)
    ink = _outlines(np.asarray(union) > 0, patches, colors, line)
    swatches = Image.fromarray(ink)
    used = Image.fromarray((ink > 0).view(np.uint8) * np.uint8(255))
    table = [*WHITE, *DARK, *(part for color in PALETTE for part in color), *DARK]
    swatches = swatches.convert("P")
    swatches.putpalette(table)
    picture.paste(swatches.convert("RGB"), mask=used)
    return picture


def canvas_size(size: tuple[int, int], count: int, max_pixels: int | None) -> tuple[int, int]:
    """(width, height) at which an image of this size with `count` instances is drawn."""
    width, height = size
    wanted = _MIN_LONG_SIDE if count <= _CROWD else _MIN_LONG_SIDE_OF_CROWD
    if max(size) < wanted:
        scale = ceil(wanted / max(size))
        return width * scale, height * scale
    if max_pixels is None:
        return size
    factor = min(1.0, sqrt(max_pixels / (width * height)), _MAX_LONG_SIDE / max(size))
    return max(1, round(width * factor)), max(1, round(height * factor))


def fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image as RGB at the size of the canvas."""
    picture = image.convert("RGB")
    if size == picture.size:
        return picture
    if size[0] > picture.width:
        return picture.resize(size, Image.Resampling.BICUBIC)
    return picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def cut_patches(masks: NDArray[np.bool_], size: tuple[int, int]) -> list[Patch]:
    """Each of bool [N, H, W] as a patch on a canvas of (width, height); only its own box is looked at."""
    return [_cut(mask, size) for mask in masks]


def _cut(mask: NDArray[np.bool_], size: tuple[int, int]) -> Patch:
    height, width = mask.shape
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return Patch(0, 0, np.zeros((0, 0), dtype=np.bool_))
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    x1, y1, x2, y2 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    if size == (width, height):
        return Patch(x1, y1, mask[y1:y2, x1:x2])
    scale_x, scale_y = size[0] / width, size[1] / height
    enlarged = scale_x > 1
    if enlarged:  # a smooth outline may lie a little outside
        x1, y1, x2, y2 = max(x1 - 1, 0), max(y1 - 1, 0), min(x2 + 1, width), min(y2 + 1, height)
    left, top = floor(x1 * scale_x), floor(y1 * scale_y)
    right, bottom = min(ceil(x2 * scale_x), size[0]), min(ceil(y2 * scale_y), size[1])
    source = (left / scale_x, top / scale_y, min(right / scale_x, width), min(bottom / scale_y, height))
    x1, y1, x2, y2 = floor(source[0]), floor(source[1]), ceil(source[2]), ceil(source[3])
    part = (source[0] - x1, source[1] - y1, source[2] - x1, source[3] - y1)
    cover = _stencil(mask[y1:y2, x1:x2]).resize(
        (right - left, bottom - top),
        Image.Resampling.BILINEAR if enlarged else Image.Resampling.BOX,
        box=part,
    )
    # Shrunk, a pixel belongs to the mask as soon as a part of it does: nothing thin is lost.
    return Patch(left, top, np.asarray(cover) >= (128 if enlarged else 1))


def _stencil(inside: NDArray[np.bool_]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(inside).view(np.uint8) * np.uint8(255))


def _outlines(
    union: NDArray[np.bool_], patches: Sequence[Patch], colors: Sequence[int], line: int
) -> NDArray[np.uint8]:
    """uint8 [H, W]: 0 no line, else its ink. The order is that of importance, so that no patch hides another's line.

    Around each patch lies a bright line, a dark one around that, and a dark seam where it meets another patch.
    """
    height, width = union.shape
    ink = np.zeros((height, width), dtype=np.uint8)
    dark = max(1, line // 2)
    for patch, color in zip(patches, colors, strict=True):
        if not patch.inside.size:
            continue
        margin = line + dark
        seam, bright, outer = _rings(np.pad(patch.inside, margin), line, dark)
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


def _edge(box: tuple[int, int, int, int], size: tuple[int, int], line: int) -> NDArray[np.bool_]:
    """bool [h, w] of a box: its pixels at the border of the canvas, where no outline can lie outside."""
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
        small = np.asarray(_stencil(wide).reduce(step)) > 0
    close = _grow(small, max(1, dark // step))
    near = _grow(close, max(1, line // step) - max(1, dark // step))
    far = _grow(near, max(1, dark // step))
    if step > 1:
        close, near, far = (
            np.asarray(_stencil(grown).resize((grown.shape[1] * step, grown.shape[0] * step), 0))[
                :height, :width
            ]
            > 0
            for grown in (close, near, far)
        )
    return close & ~wide, near & ~wide, far & ~near


def _grow(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """The mask and every pixel at most `by` steps away, steps along rows and columns and then diagonal in turn."""
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


def _pad(picture: Image.Image) -> Image.Image:
    """Centres a very narrow or flat picture on a canvas on which words can be read."""
    width, height = max(picture.width, _MIN_CANVAS[0]), max(picture.height, _MIN_CANVAS[1])
    if (width, height) == picture.size:
        return picture
    canvas = Image.new("RGB", (width, height), PAPER)
    canvas.paste(picture, ((width - picture.width) // 2, (height - picture.height) // 2))
    return canvas


def _anchors(
    patches: Sequence[Patch],
    boxes_xyxy: NDArray[np.float32],
    image_size: tuple[int, int],
    size: tuple[int, int],
    padded_size: tuple[int, int],
) -> list[Anchor]:
    """The instances on the padded canvas; one with an empty mask is anchored at its box."""
    x, y = ((whole - part) // 2 for whole, part in zip(padded_size, size, strict=True))
    scale = np.array([size[0] / image_size[0], size[1] / image_size[1]] * 2)
    anchors = []
    for patch, box_xyxy in zip(patches, boxes_xyxy, strict=True):
        if patch.inside.any():
            left, top, right, bottom = patch.box
            column, row = middle_of(patch.inside)
        else:
            left, top, right, bottom = (int(edge) for edge in np.round(box_xyxy * scale))
            column, row = (right - left) // 2, (bottom - top) // 2
        box = (left + x, top + y, right + x, bottom + y)
        anchors.append(Anchor(box, (left + x + column, top + y + row), patch.inside))
    return anchors


def _draw_numbers(
    canvas: Image.Image, anchors: Sequence[Anchor], colors: Sequence[int], lettering: Lettering, line: int
) -> int:
    """Draws the number of each instance where there is room; returns how many were drawn."""
    covered = np.zeros((canvas.height, canvas.width), dtype=np.bool_)
    for anchor in anchors:
        left, top, right, bottom = anchor.box
        if anchor.inside.size:
            covered[top:bottom, left:right] |= anchor.inside
    small = Lettering(max(11, round(0.8 * lettering.size))) if len(anchors) > _CROWD else lettering
    sizes = [
        (round(small.length(str(number)) + 0.5 * small.size), round(1.15 * small.size))
        for number in range(1, len(anchors) + 1)
    ]
    labels = place_labels(anchors, sizes, covered)
    draw = ImageDraw.Draw(canvas)
    thin = max(1, line // 2)
    for label in labels:
        if label.beside:
            _draw_leader(draw, label, color_of(colors[label.index]), thin)
    for label in labels:
        color = color_of(colors[label.index])
        left, top, right, bottom = label.place
        corners = (left, top, right - 1, bottom - 1)
        draw.rounded_rectangle(corners, radius=small.size // 4, fill=color, outline=DARK, width=thin)
        text = str(label.index + 1)
        start = (left + right - small.length(text)) / 2
        small.draw(draw, start, (top + bottom) / 2, text, ink_on(color))
    return len(labels)


def _draw_leader(draw: ImageDraw.ImageDraw, label: Label, color: Color, thin: int) -> None:
    """A line from the tag to its instance."""
    left, top, right, bottom = label.place
    ends = ((left + right) / 2, (top + bottom) / 2, *label.point)
    draw.line(ends, fill=DARK, width=3 * thin)
    draw.line(ends, fill=color, width=thin)
