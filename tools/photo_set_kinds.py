"""Drawings of kinds that the drawn world does not have, for `make_photo_set.py`: no shipped model has seen them."""

from __future__ import annotations

from random import Random

import numpy as np

from instructsam.world.scenes.drawings.geometry import arc, box
from instructsam.world.scenes.drawings.registry import Drawing
from instructsam.world.scenes.drawings.sketch import CREAM, INK, LAMP, STEEL, TWIG, WINDOW, Rgb, Sketch

_FLAME: Rgb = (250, 176, 60)


def guitar(sketch: Sketch, vary: Random) -> None:
    """Upright, its neck at the top."""
    waist = vary.uniform(0.3, 0.36)
    sketch.stroke([(0.0, -1.3), (0.0, 0.1)], 0.16, TWIG, outlined=True)
    sketch.fill(box(-0.15, -1.62, 0.15, -1.26, 0.05), sketch.dark)
    half = [(0.2, -0.24), (0.44, -0.1), (waist, 0.24), (0.58, 0.58), (0.4, 1.0), (0.0, 1.08)]
    sketch.blob([*half, *[(-x, y) for x, y in reversed(half[:-1])]])
    sketch.disc(0.0, 0.28, 0.17, color=INK)
    sketch.fill(box(-0.22, 0.74, 0.22, 0.84, 0.03), TWIG)
    sketch.stroke([(0.0, -1.3), (0.0, 0.76)], 0.035, CREAM)


def rocket(sketch: Sketch, vary: Random) -> None:
    """Upright, its flame at the bottom."""
    wide = vary.uniform(0.36, 0.44)
    flame = [(-0.2, 0.74), (0.2, 0.74), (0.13, 1.0), (0.0, vary.uniform(1.16, 1.34)), (-0.13, 1.0)]
    sketch.fill(flame, _FLAME)
    for side in (-1, 1):
        fin = [(0.28, 0.16), (0.74, 0.62), (0.74, 1.02), (0.24, 0.74)]
        sketch.fill([(side * x, y) for x, y in fin], sketch.dark)
    half = [(wide, -0.3), (wide, 0.3), (0.26, 0.8), (0.0, 0.82)]
    sketch.blob(
        [(0.0, -1.2), (0.24, -0.82), *half, *[(-x, y) for x, y in reversed(half[:-1])], (-0.24, -0.82)]
    )
    sketch.disc(0.0, -0.28, 0.2, color=WINDOW)
    sketch.stroke([(-wide * 0.7, 0.36), (wide * 0.7, 0.36)], 0.08, sketch.light)


def mushroom(sketch: Sketch, vary: Random) -> None:
    """Upright: a domed cap with spots on a pale stem."""
    thick = vary.uniform(0.24, 0.34)
    stem = [(-thick, 0.0), (thick, 0.0), (thick + 0.1, 0.84), (0.0, 0.96), (-thick - 0.1, 0.84)]
    sketch.fill(stem, CREAM)
    high = vary.uniform(0.86, 1.02)
    sketch.fill(
        np.concatenate([arc(0.0, 0.06, 1.0, high, 180, 360, 24), arc(0.0, 0.06, 1.0, 0.2, 0, 180, 16)])
    )
    for x, y, radius in ((-0.5, -0.2, 0.15), (0.06, -0.5, 0.18), (0.54, -0.16, 0.13)):
        sketch.disc(x, y, radius, radius * 0.86, sketch.pale, outlined=False)


def padlock(sketch: Sketch, vary: Random) -> None:
    """Closed, with its shackle at the top."""
    high = vary.uniform(0.72, 0.92)
    shackle = np.concatenate([[(-0.4, 0.0)], arc(0.0, -0.32, 0.4, high - 0.32, 180, 360, 18), [(0.4, 0.0)]])
    sketch.stroke(shackle, 0.18, STEEL, outlined=True)
    sketch.fill(box(-0.72, -0.12, 0.72, 0.94, 0.14))
    sketch.stroke([(-0.54, 0.06), (0.54, 0.06)], 0.08, sketch.light)
    sketch.disc(0.0, 0.36, 0.15, color=INK, outlined=False)
    sketch.fill([(-0.07, 0.4), (0.07, 0.4), (0.12, 0.74), (-0.12, 0.74)], INK, outlined=False)


def anchor(sketch: Sketch, vary: Random) -> None:
    """Upright, with its ring at the top."""
    wide = vary.uniform(0.74, 0.86)
    sketch.disc(0.0, -0.86, 0.26)
    sketch.hole(arc(0.0, -0.86, 0.12, 0.12, 0, 360, 24)[:-1])
    hook = arc(0.0, 0.14, wide, 0.8, 10, 170, 20)
    sketch.stroke(hook, 0.2, outlined=True)
    for side in (-1, 1):
        barb = [(wide - 0.3, 0.3), (wide + 0.28, 0.36), (wide + 0.06, -0.14)]
        sketch.fill([(side * x, y) for x, y in barb])
    sketch.stroke([(-0.5, -0.36), (0.5, -0.36)], 0.18, sketch.dark, outlined=True)
    sketch.stroke([(0.0, -0.62), (0.0, 0.94)], 0.2, outlined=True)


def crown(sketch: Sketch, vary: Random) -> None:
    """Upright, with five points."""
    high = vary.uniform(0.6, 0.78)
    points = [(-0.9, -high + 0.1), (-0.5, 0.0), (-0.46, -high - 0.04), (-0.2, -0.04), (0.0, -high - 0.14)]
    top = [*points, *[(-x, y) for x, y in reversed(points[:-1])]]
    sketch.fill([(-0.72, 0.6), *top, (0.72, 0.6)])
    sketch.fill(box(-0.74, 0.36, 0.74, 0.66, 0.05), sketch.dark)
    for x, y in top[::2]:
        sketch.disc(x, y, 0.11, color=LAMP)
    for x in (-0.4, 0.0, 0.4):
        sketch.disc(x, 0.51, 0.08, color=sketch.pale, outlined=False)


NEW_KINDS: dict[str, Drawing] = {
    "guitar": Drawing(guitar, 40),
    "rocket": Drawing(rocket, 40),
    "mushroom": Drawing(mushroom, 12),
    "padlock": Drawing(padlock, 20),
    "anchor": Drawing(anchor, 20),
    "crown": Drawing(crown, 15),
}
