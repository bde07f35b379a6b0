"""Fish, bird, snail, cat; all look to the right."""

from __future__ import annotations

from random import Random

import numpy as np

from instructsam.world.scenes.drawings.geometry import arc
from instructsam.world.scenes.drawings.sketch import BLUSH, CREAM, INK, WHITE, Sketch, mix

BEAK = (248, 176, 56)


def fish(sketch: Sketch, vary: Random) -> None:
    high = vary.uniform(0.48, 0.6)
    sketch.blob([(-0.5, 0.0), (-1.0, -0.46), (-0.9, 0.0), (-1.0, 0.46)], sketch.dark)
    sketch.blob(
        [(-0.3, -high * 0.7), (-0.1, -high - 0.26), (0.3, -high - 0.1), (0.35, -high * 0.7)], sketch.dark
    )
    body = [(-0.62, 0.0), (-0.2, -high * 0.86), (0.3, -high), (0.8, -high * 0.5), (0.98, 0.03)]
    sketch.blob([*body, (0.8, high * 0.55), (0.3, high), (-0.2, high * 0.86)])
    sketch.blob([(0.0, 0.1), (-0.3, 0.14), (-0.34, 0.42), (0.0, 0.34)], sketch.dark)
    for x in (-0.25, 0.02):
        sketch.stroke(arc(x - 0.5, 0.0, 0.5, high * 0.9, -38, -8, 6), 0.07, sketch.light)
    sketch.stroke(arc(0.1, 0.0, 0.28, high * 0.8, -50, 50, 8), 0.04, sketch.ink)
    sketch.eye(0.62, -0.14, 0.13)
    sketch.stroke(arc(0.82, 0.06, 0.14, 0.14, 70, 160, 5), 0.05, INK)


def bird(sketch: Sketch, vary: Random) -> None:
    round_belly = vary.uniform(0.72, 0.84)
    for x in (-0.02, 0.24):
        sketch.stroke([(x, 0.6), (x, 1.0), (x + 0.16, 1.03)], 0.07, BEAK)
    sketch.fill([(-0.5, 0.05), (-1.15, -0.28), (-1.2, 0.02), (-1.02, 0.16), (-0.5, 0.42)], sketch.dark)
    sketch.fill([(0.72, -0.52), (1.12, -0.36), (0.72, -0.22)], BEAK)
    body = [(0.4, -0.88), (0.76, -0.66), (0.8, -0.26), (0.74, 0.3), (0.3, round_belly), (-0.3, 0.62)]
    sketch.blob([*body, (-0.72, 0.2), (-0.4, -0.1), (-0.05, -0.4), (0.1, -0.78)])
    wing = [
        (0.2, -0.06),
        (0.24, 0.26),
        (-0.1, 0.48),
        (-0.56, 0.36),
        (-0.84, 0.1),
        (-0.4, 0.06),
        (-0.1, -0.14),
    ]
    sketch.blob(wing, sketch.dark)
    sketch.stroke([(-0.5, 0.22), (-0.1, 0.28)], 0.045, sketch.ink)
    sketch.eye(0.5, -0.5, 0.14)
    if vary.random() < 0.4:
        for dx in (-0.16, 0.0, 0.16):
            sketch.stroke([(0.34, -0.86), (0.34 + dx, -1.12)], 0.06, sketch.dark)


def snail(sketch: Sketch, vary: Random) -> None:
    shell = vary.uniform(0.66, 0.78)
    turns = vary.uniform(0.9, 1.1)
    skin = mix(CREAM, sketch.pale, 0.4)
    for x in (0.72, 0.94):
        sketch.stroke([(x - 0.04, 0.2), (x + 0.06, -0.36)], 0.06, skin, outlined=True)
    foot = [(-1.1, 0.84), (-0.6, 0.62), (0.3, 0.6), (0.52, 0.3), (0.66, 0.02), (0.94, 0.02), (1.04, 0.3)]
    sketch.blob([*foot, (0.86, 0.7), (0.6, 0.86), (-0.2, 0.88)], skin)
    sketch.disc(-0.2, 0.72 - shell, shell + 0.02, shell)
    spiral = []
    for step in range(30):
        radius = (0.6 - 0.019 * step * turns) * shell / 0.72
        spiral.append(arc(-0.2, 0.74 - shell, radius, radius, 60 - step * 28, 60 - step * 28, 1)[0])
    sketch.stroke([(float(x), float(y)) for x, y in spiral], 0.07, sketch.ink)
    for x in (0.8, 1.02):
        sketch.eye(x, -0.4, 0.12)
    sketch.stroke(arc(0.88, 0.3, 0.12, 0.12, 20, 150, 6), 0.05, INK)


def cat(sketch: Sketch, vary: Random) -> None:
    tail = vary.uniform(0.3, 0.42)
    rising, curl = arc(-0.7, -0.2, 0.3, 0.6, 90, 190, 10), arc(-1.18, -0.42, 0.2, tail, 20, -110, 10)
    sketch.stroke(np.concatenate([rising, curl]), 0.2, outlined=True)
    for x in (-0.36, 0.5):
        sketch.stroke([(x, 0.5), (x, 0.94)], 0.24, sketch.dark, outlined=True)
    for x in (-0.62, 0.26):
        sketch.stroke([(x, 0.4), (x, 0.96)], 0.24, outlined=True)
    back = vary.uniform(-0.12, 0.0)
    body = [(-0.84, 0.34), (-0.66, back + 0.04), (0.0, back + 0.06), (0.6, back), (0.66, 0.4), (0.36, 0.68)]
    sketch.blob([*body, (-0.2, 0.64), (-0.62, 0.7)])
    for x in (-0.62, 0.26):
        sketch.stroke([(x, 0.4), (x, 0.94)], 0.23)
    x, y = 0.5, -0.42
    for side in (-1, 1):
        ear = [(x + side * 0.1, y - 0.3), (x + side * 0.46, y - 0.72), (x + side * 0.52, y - 0.06)]
        sketch.fill(ear)
        sketch.fill(
            [(x + side * 0.26, y - 0.34), (x + side * 0.41, y - 0.54), (x + side * 0.44, y - 0.2)],
            BLUSH,
            outlined=False,
        )
    sketch.disc(x, y, 0.56, 0.46)
    for side in (-1, 1):
        for rise in (-0.06, 0.06):
            sketch.stroke(
                [(x + 0.1 + side * 0.3, y + 0.14 + rise * 0.4), (x + 0.1 + side * 0.52, y + 0.12 + rise)],
                0.03,
                INK,
            )
    for dx in (-0.12, 0.3):
        sketch.disc(x + dx, y - 0.04, 0.09, 0.12, INK, outlined=False)
        sketch.disc(x + dx + 0.03, y - 0.09, 0.035, color=WHITE, outlined=False)
    sketch.fill([(x + 0.03, y + 0.1), (x + 0.17, y + 0.1), (x + 0.1, y + 0.18)], BLUSH)
