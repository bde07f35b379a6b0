"""Umbrella, bag."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np

from instructsam.world.scenes.drawings.geometry import arc, box
from instructsam.world.scenes.drawings.sketch import CREAM, LAMP, STEEL, TWIG, Sketch


def umbrella(sketch: Sketch, vary: Random) -> None:
    """Open and upright, with a hooked handle."""
    high = vary.uniform(0.86, 1.0)
    grip = vary.choice((TWIG, sketch.ink))
    sketch.stroke([(0.0, -high - 0.16), (0.0, 0.5)], 0.07, STEEL, outlined=True)
    hook = arc(-0.18, 0.9, 0.18, 0.2, 0, 190, 12)
    sketch.stroke(np.concatenate([np.array([(0.0, 0.4)]), hook]), 0.11, grip, outlined=True)
    ribs = (-1.12, -0.44, 0.44, 1.12)
    scallops = [
        arc((left + right) / 2, 0.06, (right - left) / 2, 0.16, 360, 180, 10)
        for left, right in reversed(list(pairwise(ribs)))
    ]
    sketch.fill(np.concatenate([arc(0.0, 0.06, 1.12, high + 0.06, 180, 360, 24), *scallops]))
    for side in (-1, 1):
        sketch.stroke(arc(0.0, 0.06, side * 0.44, high * 0.9, 0, -72, 10), 0.045, sketch.ink)
    sketch.stroke(arc(0.0, 0.06, 0.92, high * 0.84, 200, 236, 8), 0.08, sketch.light)


def _handbag(sketch: Sketch, vary: Random) -> None:
    sketch.stroke(
        arc(0.0, -0.3, 0.46, vary.uniform(0.6, 0.74), 180, 360, 18), 0.14, sketch.dark, outlined=True
    )
    wide = vary.uniform(0.92, 1.04)
    half = [(0.72, -0.34), (0.82, -0.28), (wide, 0.66), (wide - 0.06, 0.78), (wide - 0.2, 0.82)]
    sketch.fill([*half, *[(-x, y) for x, y in reversed(half)]])
    rim = [(-0.74, -0.34), (0.74, -0.34), (0.78, -0.2), (0.46, -0.02), (0.0, 0.06)]
    flap = [*rim, (-0.46, -0.02), (-0.78, -0.2)]
    sketch.fill(flap, sketch.light)
    sketch.fill(box(-0.12, -0.06, 0.12, 0.2, 0.05), LAMP)


def _shopping_bag(sketch: Sketch, vary: Random) -> None:
    narrow = vary.uniform(0.68, 0.76)
    sketch.stroke(arc(0.1, -0.4, 0.34, 0.56, 180, 360, 16), 0.07, sketch.dark, outlined=True)
    half = [(narrow, -0.42), (narrow + 0.1, 0.96), (narrow + 0.04, 1.02)]
    sketch.fill([*half, *[(-x, y) for x, y in reversed(half)]])
    sketch.fill(
        [(-narrow, -0.42), (narrow, -0.42), (narrow + 0.01, -0.26), (-narrow - 0.01, -0.26)], sketch.light
    )
    sketch.stroke(arc(-0.02, -0.3, 0.36, 0.6, 180, 360, 16), 0.09, CREAM, outlined=True)
    right, left = arc(0.13, 0.3, 0.14, 0.13, -160, 30, 10), arc(-0.13, 0.3, 0.14, 0.13, 150, 340, 10)
    sketch.fill(np.concatenate([right, [(0.0, 0.64)], left]), CREAM)


def bag(sketch: Sketch, vary: Random) -> None:
    if vary.random() < 0.55:
        _handbag(sketch, vary)
    else:
        _shopping_bag(sketch, vary)
