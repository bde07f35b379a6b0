"""The overlay image: instances keep their colours, the rest is grey and dim (PIL, numpy).

Every instance has a bright outline with a dark line beside it, and a number; the strip below has one legend entry per
phrase. `draw_focus` draws the image without numbers and strip, as the reports use it.
Shapes: N instances; H, W the image; the canvas is the image enlarged or shrunk, with the strip below.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.errors import InputError
from instructsam.visualization.labels import Anchor
from instructsam.visualization.legend import add_strip
from instructsam.visualization.lettering import Lettering
from instructsam.visualization.numbers import CROWD, anchor_of, draw_numbers, number_lettering
from instructsam.visualization.outlines import draw_outlines, paint
from instructsam.visualization.palette import PAPER
from instructsam.visualization.patches import Patch, cut_patches, fit, stencil

MAX_PIXELS = 1_200_000  # of an overlay: enough for a screen, and fast to write

_MIN_LONG_SIDE, _MIN_LONG_SIDE_OF_CROWD = 480, 960
_MAX_LONG_SIDE = 16_000  # px, within the limits of every format
_MIN_CANVAS = (320, 48)
# Black becomes lighter, so that it differs from black instances; steps of 3 are invisible and make smaller files.
_DIM = [3 * round((36 + 0.45 * value) / 3) for value in range(256)]


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
    """Draw instances over their image, with numbers and a legend.

    Args:
        image: RGB, the upright image that was segmented.
        masks: bool [N, H, W] at the size of the image.
        boxes_xyxy: float32 [N, 4] px, the position of the number of an empty mask.
        scores: float32 [N].
        phrase_ids: int64 [N].
        phrases: the entries of the legend, including those without an instance.
        instruction: the first line of the strip; left out when it only repeats the phrases.
        note: a further line of the strip.
        mode: how the answer was produced, named beside the legend.
        max_pixels: larger images are shrunk to this many pixels; None draws at the size of the image.

    Returns:
        A new RGB image; images below 480 px are enlarged by a whole number.
    """
    if masks.shape[1:] != (image.height, image.width):
        shape = (image.height, image.width)
        raise InputError(f"masks must have the size of the image {shape}, got {masks.shape[1:]}")
    size = canvas_size(image.size, len(masks), max_pixels)
    weight = sqrt(size[0] * size[1])  # width of a square image of this area
    line = max(2, round(weight / 380))
    patches = cut_patches(masks, size)
    several = len(phrases) > 1
    colors = [int(phrase) if several else number for number, phrase in enumerate(phrase_ids)]
    canvas = _pad(draw_focus(fit(image, size), patches, colors, line))
    lettering = Lettering(max(13, round(weight / 45)))
    anchors = _anchors(patches, boxes_xyxy, image.size, size, canvas.size)
    numbers = number_lettering(lettering.size, len(anchors), 11)
    unnumbered = len(anchors) - len(draw_numbers(canvas, anchors, colors, numbers, max(1, line // 2)))
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
    """The image with outlined instances in colour, the rest grey and dim; without numbers or strip.

    Args:
        image: RGB, at the size of the canvas.
        patches: N masks on this canvas.
        colors: N numbers of palette entries.
        line: width of the outlines, px.
    """
    union = Image.new("L", image.size)
    for patch in patches:
        union.paste(255, patch.box, stencil(patch.inside))
    drawn = image.convert("L").point(_DIM).convert("RGB")
    drawn.paste(image, mask=union)
    paint(drawn, draw_outlines(np.asarray(union) > 0, patches, colors, line))
    return drawn


def canvas_size(size: tuple[int, int], count: int, max_pixels: int | None) -> tuple[int, int]:
    """(width, height) at which an image of this size with `count` instances is drawn."""
    width, height = size
    wanted = _MIN_LONG_SIDE if count <= CROWD else _MIN_LONG_SIDE_OF_CROWD
    if max(size) < wanted:
        scale = ceil(wanted / max(size))
        return width * scale, height * scale
    if max_pixels is None:
        return size
    factor = min(1.0, sqrt(max_pixels / (width * height)), _MAX_LONG_SIDE / max(size))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _pad(image: Image.Image) -> Image.Image:
    """Centre a very narrow or flat image on a canvas that is wide enough for text."""
    width, height = max(image.width, _MIN_CANVAS[0]), max(image.height, _MIN_CANVAS[1])
    if (width, height) == image.size:
        return image
    canvas = Image.new("RGB", (width, height), PAPER)
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
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
            anchors.append(anchor_of(patch, x, y))
            continue
        left, top, right, bottom = (int(edge) for edge in np.round(box_xyxy * scale))
        middle = (left + x + (right - left) // 2, top + y + (bottom - top) // 2)
        anchors.append(Anchor((left + x, top + y, right + x, bottom + y), middle, patch.inside))
    return anchors
