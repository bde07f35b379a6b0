"""Masks cut out and scaled to the canvas of an overlay."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from PIL import Image


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


def fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image as RGB at the size of the canvas."""
    image = image.convert("RGB")
    if size == image.size:
        return image
    if size[0] > image.width:
        return image.resize(size, Image.Resampling.BICUBIC)
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def cut_patches(masks: NDArray[np.bool_], size: tuple[int, int]) -> list[Patch]:
    """Each of bool [N, H, W] as a patch on a canvas of (width, height); only the bounding box is processed."""
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
    if enlarged:  # a smoothed outline may extend slightly outside
        x1, y1, x2, y2 = max(x1 - 1, 0), max(y1 - 1, 0), min(x2 + 1, width), min(y2 + 1, height)
    left, top = floor(x1 * scale_x), floor(y1 * scale_y)
    right, bottom = min(ceil(x2 * scale_x), size[0]), min(ceil(y2 * scale_y), size[1])
    source = (left / scale_x, top / scale_y, min(right / scale_x, width), min(bottom / scale_y, height))
    x1, y1, x2, y2 = floor(source[0]), floor(source[1]), ceil(source[2]), ceil(source[3])
    part = (source[0] - x1, source[1] - y1, source[2] - x1, source[3] - y1)
    cover = stencil(mask[y1:y2, x1:x2]).resize(
        (right - left, bottom - top),
        Image.Resampling.BILINEAR if enlarged else Image.Resampling.BOX,
        box=part,
    )
    # When shrunk, a pixel belongs to the mask as soon as a part of it does, so that thin parts are kept.
    return Patch(left, top, np.asarray(cover) >= (128 if enlarged else 1))


def stencil(inside: NDArray[np.bool_]) -> Image.Image:
    """A mask as an image of mode L, 0 or 255."""
    return Image.fromarray(np.ascontiguousarray(inside).view(np.uint8) * np.uint8(255))
