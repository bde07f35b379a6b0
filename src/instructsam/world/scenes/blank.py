"""Pictures without objects, for training and for counting false alarms; the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from instructsam.world.scenes.backgrounds import paint_background
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.render import render_scene
from instructsam.world.scenes.scene import BACKGROUNDS, Background

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float64]
SIDE = 256
_SCENE_SEEDS = 16  # scenes to scramble have seeds congruent to 15 modulo this, which no split uses


def blank_picture(kind: str, seed: int, side: int = SIDE) -> Pixels:
    """One picture, uint8 [side, side, 3]; `kind` is a key of `BLANK_KINDS`."""
    rng = np.random.default_rng([list(BLANK_KINDS).index(kind), seed])
    return np.clip(BLANK_KINDS[kind](rng, side) + 0.5, 0, 255).astype(np.uint8)


def blank_pictures(count: int, side: int = SIDE) -> Iterator[tuple[str, Pixels]]:
    """`count` pictures with their kinds, which take turns."""
    kinds = list(BLANK_KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        yield kind, blank_picture(kind, number // len(kinds), side)


def _enlarged(coarse: Plane, side: int) -> Plane:
    """Each cell of a coarse picture as a square of equal pixels."""
    place = np.arange(side) * len(coarse) // side
    return coarse[place][:, place]


def _smooth(coarse: Plane, side: int) -> Plane:
    """A coarse picture, interpolated linearly in both directions."""
    at = np.linspace(0, len(coarse) - 1, side)
    low = np.minimum(at.astype(int), len(coarse) - 2)
    share = at - low
    rows = coarse[low] * (1 - share)[:, None, None] + coarse[low + 1] * share[:, None, None]
    columns: Plane = rows[:, low] * (1 - share)[None, :, None] + rows[:, low + 1] * share[None, :, None]
    return columns


def _colors(rng: np.random.Generator, count: int) -> Plane:
    return rng.integers(0, 256, size=(count, 3)).astype(float)


def _noise(rng: np.random.Generator, side: int) -> Plane:
    """Coloured or grey noise whose grains are 1 to 16 px wide."""
    cells = side // int(2 ** rng.integers(5))
    channels = 3 if rng.random() < 0.5 else 1
    return np.broadcast_to(_enlarged(rng.random((cells, cells, channels)) * 255, side), (side, side, 3))


def _texture(rng: np.random.Generator, side: int) -> Plane:
    """Clouds: smooth noise of several scales, between two colours."""
    total: Plane = np.zeros((side, side, 1))
    for cells in (4, 8, 16, 32, 64):
        total += _smooth(rng.random((cells, cells, 1)) - 0.5, side) * 4 / cells**0.7
    share = np.clip(total / 2 + 0.5, 0, 1)
    first, second = _colors(rng, 2)
    picture: Plane = first * share + second * (1 - share)
    return picture


def _gradient(rng: np.random.Generator, side: int) -> Plane:
    """Four colours, one in each corner."""
    return _smooth(_colors(rng, 4).reshape(2, 2, 3), side)


def _stripes(rng: np.random.Generator, side: int) -> Plane:
    """Two colours, straight or slanted."""
    y, x = np.mgrid[:side, :side]
    slant = rng.integers(-2, 3, size=2)
    along = x * slant[0] + y * (slant[1] if slant.any() else 1)
    first, second = _colors(rng, 2)
    picture: Plane = np.where((along // int(rng.integers(6, 48)) % 2 == 0)[..., None], first, second)
    return picture


def _checkerboard(rng: np.random.Generator, side: int) -> Plane:
    """Two colours in squares."""
    y, x = np.mgrid[:side, :side] // int(rng.integers(8, 64))
    first, second = _colors(rng, 2)
    picture: Plane = np.where(((x + y) % 2 == 0)[..., None], first, second)
    return picture


def _scrambled(rng: np.random.Generator, side: int) -> Plane:
    """A scene of the world cut into blocks of 4 or 8 px, in another order, so that nothing is left of its things."""
    seed = int(rng.integers(2**20)) * _SCENE_SEEDS + 15
    pixels = render_scene(sample_scene(seed), side).image[:side, :side].astype(float)
    block = 4 if rng.random() < 0.5 else 8
    cells = side // block
    blocks = pixels.reshape(cells, block, cells, block, 3).swapaxes(1, 2).reshape(-1, block, block, 3)
    mixed = blocks[rng.permutation(len(blocks))].reshape(cells, cells, block, block, 3)
    return mixed.swapaxes(1, 2).reshape(side, side, 3)


def _background(rng: np.random.Generator, side: int) -> Plane:
    """A background of the world with its grain, and nothing on it."""
    style = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    picture: Plane = paint_background(Background(style, int(rng.integers(2**31))), side, side).astype(float)
    return picture + rng.integers(-4, 5, size=picture.shape)


BLANK_KINDS: dict[str, Callable[[np.random.Generator, int], Plane]] = {
    "noise": _noise,
    "texture": _texture,
    "gradient": _gradient,
    "stripes": _stripes,
    "checkerboard": _checkerboard,
    "scrambled blocks": _scrambled,
    "empty background": _background,
}
# Kinds for training; the others show how the silence of a model carries over to pictures of a new kind.
TRAINING_BLANKS = ("noise", "gradient", "stripes", "empty background")
FIRST_TRAINING_BLANK = 2**20  # seeds below it are those of tests
