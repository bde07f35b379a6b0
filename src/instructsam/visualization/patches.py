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
    return [scale_patch(_cut(mask), mask.shape[::-1], size) for mask in masks]


def _cut(mask: NDArray[np.bool_]) -> Patch:
    """A mask cut to its box."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return Patch(0, 0, np.zeros((0, 0), dtype=np.bool_))
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    x1, y1, x2, y2 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return Patch(x1, y1, mask[y1:y2, x1:x2])


def scale_patch(patch: Patch, image_size: tuple[int, int], size: tuple[int, int]) -> Patch:
    """A patch of an image of (width, height), cut to its box, on a canvas of another size."""
    width, height = image_size
    if size == (width, height) or not patch.inside.size:
        return patch
    (x1, y1, x2, y2), inside = patch.box, patch.inside
    scale_x, scale_y = size[0] / width, size[1] / height
    enlarged = scale_x > 1
    if enlarged:  # a smoothed outline may extend slightly outside
        wide = max(x1 - 1, 0), max(y1 - 1, 0), min(x2 + 1, width), min(y2 + 1, height)
        inside = np.pad(inside, ((y1 - wide[1], wide[3] - y2), (x1 - wide[0], wide[2] - x2)))
        x1, y1, x2, y2 = wide
    left, top = floor(x1 * scale_x), floor(y1 * scale_y)
    right, bottom = min(ceil(x2 * scale_x), size[0]), min(ceil(y2 * scale_y), size[1])
    source = (left / scale_x, top / scale_y, min(right / scale_x, width), min(bottom / scale_y, height))
    origin = floor(source[0]), floor(source[1])
    around = (y1 - origin[1], ceil(source[3]) - y2), (x1 - origin[0], ceil(source[2]) - x2)
    part = (source[0] - origin[0], source[1] - origin[1], source[2] - origin[0], source[3] - origin[1])
    cover = np.asarray(
        stencil(np.pad(inside, around)).resize(
            (right - left, bottom - top),
            Image.Resampling.BILINEAR if enlarged else Image.Resampling.BOX,
            box=part,
        )
    )
    # When shrunk, a pixel belongs to the mask as soon as a part of it does, so that thin parts are kept. When enlarged,
    # no pixel of a tiny mask may lie well inside it: then those that are inside most.
    least = max(1, min(128, int(cover.max()))) if enlarged else 1
    return Patch(left, top, cover >= least)


def stencil(inside: NDArray[np.bool_]) -> Image.Image:
    """A mask as an image of mode L, 0 or 255."""
    return Image.fromarray(np.ascontiguousarray(inside).view(np.uint8) * np.uint8(255))
