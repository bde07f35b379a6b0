"""Mug, glass, bottle, teapot."""

from __future__ import annotations

from random import Random

import numpy as np

from instructsam.world.scenes.drawings.geometry import arc, box
from instructsam.world.scenes.drawings.sketch import CREAM, INK, STEEL, WHITE, Sketch, mix

COFFEE = (92, 58, 40)


def mug(sketch: Sketch, vary: Random) -> None:
    wide, high = vary.uniform(0.66, 0.76), vary.uniform(0.74, 0.86)
    sketch.stroke(arc(wide, 0.05, 0.46, 0.42, -80, 80, 14), 0.17, outlined=True)
    sides = [(-wide, -high), (wide, -high)]
    bottom = arc(0.0, high - 0.12, wide * 0.92, 0.2, 0, 180, 14)
    sketch.fill(np.concatenate([np.array(sides), bottom]))
    sketch.fill(box(-wide * 0.84, -high * 0.6, -wide * 0.62, high * 0.62, 0.1), sketch.light, outlined=False)
    sketch.disc(0.0, -high, wide, 0.19, sketch.light)
    sketch.disc(0.0, -high + 0.02, wide * 0.82, 0.12, COFFEE, outlined=False)
    if vary.random() < 0.5:
        sketch.face(0.06, 0.05, 0.72)
    else:
        sketch.disc(0.06, 0.1, 0.3, color=sketch.light)
        sketch.disc(0.06, 0.1, 0.14, color=CREAM, outlined=False)


def glass(sketch: Sketch, vary: Random) -> None:
    top, foot = vary.uniform(0.56, 0.64), vary.uniform(0.4, 0.46)
    level = vary.uniform(-0.6, -0.5)
    straw = vary.choice((WHITE, STEEL, CREAM))
    sketch.stroke([(0.05, 0.1), (0.34, -1.1), (0.7, -1.3)], 0.11, straw, outlined=True)
    sketch.fill([(-top, -0.95), (top, -0.95), (foot, 1.0), (-foot, 1.0)], mix(sketch.pale, WHITE, 0.3))
    at_level = top + (foot - top) * (level + 0.95) / 1.95
    drink = [(-at_level + 0.05, level), (at_level - 0.05, level), (foot - 0.03, 0.94), (-foot + 0.03, 0.94)]
    sketch.fill(drink, sketch.base, outlined=False)
    sketch.disc(0.0, level, at_level - 0.05, 0.09, sketch.dark, outlined=False)
    for _ in range(3):
        sketch.disc(
            vary.uniform(-0.26, 0.26), vary.uniform(-0.1, 0.75), 0.06, color=sketch.light, outlined=False
        )
    sketch.stroke([(-at_level + 0.15, level + 0.25), (-foot + 0.13, 0.7)], 0.07, sketch.light)


def bottle(sketch: Sketch, vary: Random) -> None:
    wide, shoulder = vary.uniform(0.4, 0.5), vary.uniform(-0.4, -0.2)
    half = [
        (0.15, -1.2),
        (0.15, -0.82),
        (0.19, -0.66),
        (wide * 0.86, shoulder - 0.06),
        (wide, shoulder + 0.16),
    ]
    foot = [(wide, 1.08), (wide * 0.86, 1.18)]
    right = [*half, *foot]
    sketch.fill([*right, *[(-x, y) for x, y in reversed(right)]])
    sketch.fill(box(-0.2, -1.38, 0.2, -1.14, 0.06), INK)
    sketch.stroke([(-wide * 0.68, shoulder + 0.3), (-wide * 0.68, 0.95)], 0.09, sketch.light)
    sketch.fill(box(-wide * 0.5, 0.22, wide * 0.9, 0.66, 0.05), CREAM)
    for x in (0.0, 0.17):
        sketch.disc(x, 0.42, 0.09, color=sketch.base, outlined=False)


def teapot(sketch: Sketch, vary: Random) -> None:
    wide, high = vary.uniform(0.74, 0.84), vary.uniform(0.62, 0.7)
    sketch.stroke(arc(-wide * 0.86, 0.0, 0.42, 0.4, 80, 280, 16), 0.16, outlined=True)
    rise = vary.uniform(-0.62, -0.5)
    lower = [
        (wide * 0.6, 0.44),
        (wide, 0.36),
        (wide + 0.2, 0.14),
        (wide + 0.3, -0.16),
        (wide + 0.42, rise + 0.2),
    ]
    mouth = [(wide + 0.54, rise + 0.12), (wide + 0.26, rise - 0.06)]
    upper = [(wide + 0.16, rise + 0.2), (wide + 0.06, -0.18), (wide * 0.7, -0.06)]
    sketch.fill([*lower, *mouth, *upper])
    sketch.fill(box(-wide * 0.56, high - 0.16, wide * 0.56, high + 0.1, 0.06), sketch.dark)
    sketch.disc(0.0, -high - 0.2, 0.13)
    sketch.disc(0.0, 0.0, wide, high)
    lid = arc(0.0, -high * 0.66, wide * 0.6, high * 0.54, 180, 360, 14)
    sketch.fill(lid, sketch.light)
    sketch.stroke(lid[[0, -1]], 0.05, sketch.ink)
    sketch.stroke(arc(0.0, 0.0, wide * 0.78, high * 0.74, 150, 205, 8), 0.09, sketch.light)
    if vary.random() < 0.5:
        sketch.face(0.08, 0.04, 0.68)
