"""From a `Scene` to pixels and exact masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFilter

from instructsam.errors import InputError
from instructsam.world.scenes.backgrounds import paint_background, paint_shelves
from instructsam.world.scenes.drawings.raster import Tile, draw_tile
from instructsam.world.scenes.drawings.registry import draw_kind
from instructsam.world.scenes.scene import COLORS, RenderedScene, Scene, SceneObject

SHORT_SIDES = (32, 2048)
SHADOW = 0.3
NOISE_TABLE = 1 << 16


def scene_size(aspect: float, short_side: int) -> tuple[int, int]:
    """(height, width) in px."""
    long_side = int(short_side * max(aspect, 1 / aspect) + 0.5)
    return (short_side, long_side) if aspect >= 1 else (long_side, short_side)


def object_tile(thing: SceneObject, height: int, width: int, supersample: int | None = None) -> Tile:
    """The whole object as it lies in a picture of that size; coarser `supersample` for a quick silhouette."""
    extent = thing.scale * min(height, width)
    if supersample is None:
        supersample = 4 if extent < 80 else 3 if extent < 160 else 2
    picture = draw_kind(thing.kind, COLORS[thing.color], thing.seed)
    center = (thing.center[0] * width, thing.center[1] * height)
    return draw_tile(picture, center, extent, int(thing.tilt), thing.mirrored, supersample, thing.pattern)


@dataclass
class _Window:
    """The part of a tile that lies inside the picture, in the picture's and in the tile's coordinates."""

    inside: tuple[slice, slice]
    part: tuple[slice, slice]

    @classmethod
    def of(cls, left: int, top: int, shape: tuple[int, ...], size: tuple[int, int]) -> _Window:
        y1, x1 = min(max(top, 0), size[0]), min(max(left, 0), size[1])
        y2, x2 = max(min(top + shape[0], size[0]), y1), max(min(left + shape[1], size[1]), x1)
        return cls((slice(y1, y2), slice(x1, x2)), (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left)))


def _cast_shadow(canvas: NDArray[np.float32], tile: Tile, extent: float, toward: int) -> None:
    reach = max(1, int(extent * 0.07 + 0.5))
    alpha = tile.image.getchannel("A")
    padded = alpha.crop((-2 * reach, -2 * reach, alpha.width + 2 * reach, alpha.height + 2 * reach))
    soft = np.asarray(padded.filter(ImageFilter.BoxBlur(reach)), dtype=np.float32)
    left, top = tile.left - 2 * reach + toward * reach, tile.top - 2 * reach + reach
    window = _Window.of(left, top, soft.shape, (canvas.shape[0], canvas.shape[1]))
    canvas[window.inside] *= (1 - soft[window.part] * np.float32(SHADOW / 255))[..., None]


def _noise(seed: int, count: int) -> NDArray[np.float32]:
    """Grain in about -4..4, from a table that each scene enters at its own position."""
    start = seed * 7919 % NOISE_TABLE
    repeats = (start + count) // NOISE_TABLE + 1
    return np.tile(_NOISE, repeats)[start : start + count]


_NOISE: NDArray[np.float32] = (
    np.random.default_rng(20).integers(-2, 3, size=(2, NOISE_TABLE)).sum(axis=0).astype(np.float32)
)


def render_scene(scene: Scene, short_side: int) -> RenderedScene:
    """Draws `scene`; the same scene gives the same bytes on every machine.

    Args:
        short_side: height or width in px, whichever is shorter, 32..2048.

    Raises:
        InputError: `short_side` is out of range.
    """
    if not SHORT_SIDES[0] <= short_side <= SHORT_SIDES[1]:
        raise InputError(f"short_side must lie in {SHORT_SIDES[0]}..{SHORT_SIDES[1]} px, got {short_side}")
    height, width = size = scene_size(scene.aspect, short_side)
    canvas = paint_background(scene.background, height, width)
    paint_shelves(canvas, scene.shelves)
    toward = 1 if scene.background.seed % 2 else -1
    count = len(scene.objects)
    owner = np.full(size, -1, dtype=np.int16)
    boxes, areas = np.zeros((count, 4), dtype=np.float32), np.zeros(count, dtype=np.float32)
    for index, thing in enumerate(scene.objects):
        tile = object_tile(thing, height, width)
        _cast_shadow(canvas, tile, thing.scale * short_side, toward)
        pixels = np.asarray(tile.image)
        alpha = pixels[..., 3]
        solid = alpha > 127
        window = _Window.of(tile.left, tile.top, alpha.shape, size)
        share = alpha[window.part].astype(np.float32)[..., None] / 255
        region = canvas[window.inside]
        canvas[window.inside] = region + (pixels[..., :3][window.part] - region) * share
        owner[window.inside][solid[window.part]] = index
        rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
        areas[index] = solid.sum()
        if len(rows):
            boxes[index] = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            boxes[index] += (tile.left, tile.top, tile.left, tile.top)
    canvas += _noise(scene.seed, canvas.size).reshape(canvas.shape)
    masks = owner[None] == np.arange(count, dtype=np.int16)[:, None, None]
    visible = masks.sum(axis=(1, 2)) / np.maximum(areas, 1)
    return RenderedScene(
        scene=scene,
        image=np.clip(canvas + np.float32(0.5), 0, 255).astype(np.uint8),
        masks=masks,
        full_boxes_xyxy=boxes,
        full_areas=areas,
        visible_fraction=visible.astype(np.float32),
    )
