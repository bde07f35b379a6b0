"""Muted backgrounds, drawn with array arithmetic in fractions of the picture, so that any size works."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.world.scenes.scene import Background

Plane = NDArray[np.float32]
Color = tuple[float, float, float]

WALLS: tuple[Color, ...] = (
    (232, 226, 214),
    (214, 224, 232),
    (220, 230, 216),
    (234, 220, 222),
    (224, 220, 234),
    (206, 206, 204),
    (240, 236, 226),
    (188, 198, 204),
)
WOODS: tuple[Color, ...] = ((224, 202, 170), (214, 190, 158), (232, 216, 190), (200, 186, 166))
GRASS: Plane = np.array(((196, 212, 170), (208, 222, 190)), dtype=np.float32)


def _pick(rng: np.random.Generator, colors: tuple[Color, ...]) -> Plane:
    return np.array(colors[int(rng.integers(len(colors)))], dtype=np.float32)


def _wave(values: Plane) -> Plane:
    """A smooth wave in -1..1 with period 1; parabolas, since machines differ in the last bit of a sine."""
    part = values - np.floor(values)
    half = 2 * part - np.floor(2 * part)
    picture: Plane = np.where(part < 0.5, 1, -1).astype(np.float32) * 4 * half * (1 - half)
    return picture


def _clouds(rng: np.random.Generator, height: int, width: int, rows: int, columns: int) -> Plane:
    """Smooth noise in about -1..1."""
    coarse = rng.integers(0, 256, size=(rows, columns), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    picture: Plane = (np.asarray(image).astype(np.float32) - np.float32(128)) / np.float32(128)
    return picture


def _plain(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    return np.broadcast_to(_pick(rng, WALLS), (*x.shape, 3)).copy()


def _glow(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    first, second = _pick(rng, WALLS), _pick(rng, WALLS)
    cx, cy = (np.float32(v) for v in 0.2 + 0.6 * rng.random(2))
    share = np.minimum(1, 1.3 * ((x - cx) ** 2 + (y - cy) ** 2))[..., None]
    picture: Plane = np.minimum(252, first * 1.08) * (1 - share) + second * np.float32(0.9) * share
    return picture


def _wood(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    planks = int(rng.integers(3, 7))
    along, across = (x, y) if rng.random() < 0.75 else (y, x)
    plank = np.floor(across * planks)
    tone = (plank * 0.37 - np.floor(plank * 0.37)) * 12 - 6
    height, width = x.shape
    grain = _clouds(rng, height, width, 24, 3) if along is x else _clouds(rng, height, width, 3, 24)
    seam = np.abs(across * planks - plank - 0.5) > 0.475
    light = tone + 7 * grain + 4 * _wave(across * planks * 2.3 + 0.3 * grain + 0.6 * along) - 22 * seam
    picture: Plane = _pick(rng, WOODS) + light[..., None]
    return picture


def _cloth(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    checks = int(rng.integers(3, 8))
    rows, columns = np.floor(y * checks * 2) % 2, np.floor(x * checks * 2) % 2
    weight = (rows + columns)[..., None] / 2
    tint = _pick(rng, ((206, 176, 176), (176, 192, 210), (184, 202, 178), (206, 196, 168), (192, 184, 206)))
    picture: Plane = np.float32(242) * (1 - 0.62 * weight) + tint * (0.62 * weight)
    return picture


def _speckle(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    height, width = x.shape
    fine = _clouds(rng, height, width, 70, 70)
    marks = 16 * (fine < -0.72) * -1.0 + 9 * (fine > 0.75)
    light = 6 * _clouds(rng, height, width, 6, 6) + marks.astype(np.float32)
    picture: Plane = _pick(rng, WALLS) * np.float32(0.97) + light[..., None]
    return picture


def _tiles(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    count = int(rng.integers(3, 6))
    row, column = np.floor(y * count), np.floor(x * count)
    tone = ((row * 0.618 + column * 0.414) % 1.0) * 10 - 5
    gap = (np.abs(y * count - row - 0.5) > 0.47) | (np.abs(x * count - column - 0.5) > 0.47)
    picture: Plane = _pick(rng, WALLS) * np.float32(0.96) + (tone + 12 * gap)[..., None]
    return picture


def _meadow(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    height, width = x.shape
    horizon = np.float32(0.3 + 0.25 * rng.random())
    phase = np.float32(rng.random())
    hill = horizon + np.float32(0.05) * _wave(x * np.float32(0.8) + phase)
    near = horizon + np.float32(0.22) + np.float32(0.04) * _wave(x * np.float32(0.6) + phase * 2)
    sky = np.array((196, 220, 238), np.float32) + (y * 46)[..., None] * np.array((1, 0.55, 0.2), np.float32)
    clouds = np.clip(_clouds(rng, height, width, 7, 4) * 2 - 0.3, 0, 1)[..., None] * 0.7
    sky = sky * (1 - clouds) + np.float32(248) * clouds
    grass = 5 * _clouds(rng, height, width, 60, 30)[..., None]
    land = np.where((y > near)[..., None], GRASS[0], GRASS[1]) + grass
    picture: Plane = np.where((y > hill)[..., None], land, sky)
    return picture


def _rug(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    bands = int(rng.integers(3, 7))
    slant = np.float32(rng.integers(-1, 2)) * np.float32(0.5)
    first, second = _pick(rng, WALLS), _pick(rng, WALLS) * np.float32(0.93)
    place = (y + slant * x) * bands
    stripe = ((place - np.floor(place)) < 0.5)[..., None]
    weave = 3 * _wave(x * 44) * _wave(y * 44)
    picture: Plane = np.where(stripe, first, second) + weave[..., None]
    return picture


STYLES: dict[str, Callable[[np.random.Generator, Plane, Plane], Plane]] = {
    "plain": _plain,
    "glow": _glow,
    "wood": _wood,
    "cloth": _cloth,
    "speckle": _speckle,
    "tiles": _tiles,
    "meadow": _meadow,
    "rug": _rug,
}


def paint_background(background: Background, height: int, width: int) -> Plane:
    """float32 [height, width, 3] in about 0..255, brighter on one side."""
    rng = np.random.default_rng(background.seed)
    short = min(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(short)
    picture = STYLES[background.style](rng, x, y).astype(np.float32, copy=False)
    toward = (rng.random(2) * 2 - 1).astype(np.float32) * np.float32(0.09)
    light = 1 + toward[0] * (x - np.float32(0.5)) + toward[1] * (y - np.float32(0.5))
    shaded: Plane = picture * light[..., None]
    return shaded


SHELF_THICKNESS = 0.03  # of the shorter side
SHELF_COLOR = np.array((176, 146, 112), dtype=np.float32)


def paint_shelves(canvas: Plane, shelves: tuple[float, ...]) -> None:
    """Paint shelves across the picture, each with a bright edge and a soft shadow below, in place.

    Args:
        canvas: float32 [height, width, 3].
        shelves: upper edges, fractions of the height.
    """
    height, width = canvas.shape[:2]
    thick = max(2, int(SHELF_THICKNESS * min(height, width) + 0.5))
    grain = _clouds(np.random.default_rng(11), thick, width, 3, 9)[..., None] * np.float32(6)
    for edge in shelves:
        top = int(edge * height + 0.5)
        shelf = canvas[top : top + thick]
        shelf[:] = SHELF_COLOR + grain[: len(shelf)]
        shelf[:1] = np.float32(214)
        for step in range(2 * thick):
            canvas[top + thick + step : top + thick + step + 1] *= np.float32(
                1 - 0.2 * (1 - step / (2 * thick))
            )
