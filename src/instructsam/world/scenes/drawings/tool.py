"""Hammer, saw, key; all lie with their handle on the left."""

from __future__ import annotations

from random import Random

import numpy as np

from instructsam.world.scenes.drawings.geometry import arc, box
from instructsam.world.scenes.drawings.sketch import CREAM, STEEL, Sketch, mix


def hammer(sketch: Sketch, vary: Random) -> None:
    thick = vary.uniform(0.2, 0.25)
    sketch.stroke([(-1.0, 0.0), (0.7, 0.0)], thick, outlined=True)
    sketch.stroke([(-0.98, 0.0), (-0.5, 0.0)], thick * 0.6, mix(sketch.base, sketch.dark, 0.6))
    sketch.fill([(0.5, -0.42), (0.9, -0.42), (0.9, 0.36), (0.5, 0.36)])
    outer, inner = arc(0.34, -0.36, 0.56, 0.5, 0, -84, 8), arc(0.3, -0.36, 0.2, 0.28, -80, 0, 8)
    sketch.fill(np.concatenate([outer, inner]), mix(sketch.base, sketch.dark, 0.5))
    sketch.stroke(arc(0.34, -0.36, 0.38, 0.4, -30, -80, 5), 0.035, sketch.ink)
    sketch.fill(box(0.42, 0.34, 0.98, 0.56, 0.05), STEEL)
    sketch.stroke([(0.6, -0.3), (0.6, 0.24)], 0.07, sketch.light)


def saw(sketch: Sketch, vary: Random) -> None:
    teeth = vary.choice((9, 10, 11))
    xs = np.arange(teeth * 2 + 1) / (teeth * 2) * 1.5 - 0.5
    lower = [(float(x), 0.34 + (0.13 if i % 2 else 0.0)) for i, x in enumerate(xs)]
    sketch.fill([(-0.5, -0.3), (1.0, -0.02), *reversed(lower)])
    sketch.stroke([(-0.4, -0.16), (0.86, 0.08)], 0.06, sketch.light)
    handle = [
        (-0.42, -0.36),
        (-0.8, -0.42),
        (-1.06, -0.3),
        (-1.02, 0.06),
        (-1.12, 0.42),
        (-0.8, 0.5),
        (-0.42, 0.42),
    ]
    sketch.blob(handle, sketch.dark)
    sketch.hole(box(-0.9, -0.2, -0.64, 0.24, 0.12))
    for y in (-0.14, 0.22):
        sketch.disc(-0.5, y, 0.05, color=CREAM, outlined=False)


def key(sketch: Sketch, vary: Random) -> None:
    sketch.stroke([(-0.4, 0.0), (1.0, 0.0)], 0.2, outlined=True)
    first, second = vary.uniform(0.22, 0.36), vary.uniform(0.22, 0.4)
    sketch.fill(box(0.82, 0.0, 1.04, first + 0.12, 0.03))
    sketch.fill(box(0.44, 0.0, 0.64, second + 0.12, 0.03))
    sketch.stroke([(-0.2, 0.0), (1.0, 0.0)], 0.18)
    if vary.random() < 0.5:
        sketch.disc(-0.62, 0.0, 0.46)
        sketch.hole(arc(-0.66, 0.0, 0.22, 0.22, 0, 360, 24)[:-1])
    else:
        for x, y in ((-0.5, -0.3), (-0.5, 0.3), (-0.92, 0.0)):
            sketch.disc(x, y, 0.3)
        sketch.disc(-0.62, 0.0, 0.34, outlined=False)
        sketch.hole(arc(-0.66, 0.0, 0.17, 0.17, 0, 360, 24)[:-1])
    sketch.stroke([(-0.1, -0.03), (0.92, -0.03)], 0.05, sketch.light)
