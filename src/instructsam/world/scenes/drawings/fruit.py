"""Apple, banana, pear, strawberry."""

from __future__ import annotations

from random import Random

import numpy as np

from instructsam.world.scenes.drawings.geometry import arc, stretch
from instructsam.world.scenes.drawings.sketch import LAMP, LEAF, TWIG, Sketch


def _stem_and_leaf(sketch: Sketch, vary: Random, x: float, y: float) -> None:
    lean = vary.uniform(-0.05, 0.16)
    sketch.stroke([(x, y), (x + lean * 0.3, y - 0.2), (x + lean, y - 0.36)], 0.12, TWIG)
    if vary.random() < 0.85:
        leaf = [(x + 0.06, y - 0.12), (x + 0.24, y - 0.36), (x + 0.58, y - 0.38), (x + 0.4, y - 0.14)]
        sketch.blob(leaf, LEAF)


def apple(sketch: Sketch, vary: Random) -> None:
    wide = vary.uniform(0.95, 1.1)
    half = [(0.34, -0.76), (0.8, -0.52), (0.92, 0.05), (0.62, 0.7), (0.24, 0.92)]
    outline = [(0.0, -0.6), *half, (0.0, 0.84), *[(-x, y) for x, y in reversed(half)]]
    sketch.blob(stretch(outline, wide, 1.0))
    sketch.disc(-0.5 * wide, -0.3, 0.15, 0.2, sketch.light, outlined=False)
    _stem_and_leaf(sketch, vary, 0.0, -0.58)
    if vary.random() < 0.5:
        sketch.face(0.05, 0.1, 0.8)


def pear(sketch: Sketch, vary: Random) -> None:
    neck, belly = vary.uniform(0.26, 0.34), vary.uniform(0.68, 0.8)
    half = [
        (neck * 0.8, -0.96),
        (neck * 1.15, -0.66),
        (neck * 1.5, -0.2),
        (belly, 0.36),
        (belly * 0.72, 0.86),
    ]
    sketch.blob([(0.0, -1.06), *half, (0.0, 0.97), *[(-x, y) for x, y in reversed(half)]])
    sketch.disc(-belly * 0.55, 0.25, 0.11, 0.2, sketch.light, outlined=False)
    _stem_and_leaf(sketch, vary, 0.0, -1.0)
    if vary.random() < 0.5:
        sketch.face(0.05, 0.36, 0.66)


def banana(sketch: Sketch, vary: Random) -> None:
    bend = vary.uniform(0.58, 0.7)
    outer = arc(0.0, -0.55, 1.1, 1.1, 172, 8, 18)
    inner = arc(0.0, -0.62, 0.92, 1.1 - bend, 14, 166, 18)
    sketch.fill(np.concatenate([outer, inner]))
    sketch.stroke(arc(0.0, -0.6, 1.02, 1.1 - bend * 0.45, 152, 28, 14), 0.05, sketch.dark)
    sketch.stroke([(-1.03, -0.42), (-1.06, -0.64)], 0.18, TWIG)
    sketch.stroke([(1.02, -0.42), (1.05, -0.5)], 0.13, TWIG)
    if vary.random() < 0.4:
        sketch.face(0.1, 0.14, 0.6)


def strawberry(sketch: Sketch, vary: Random) -> None:
    wide, tip = vary.uniform(0.94, 1.08), vary.uniform(1.0, 1.14)
    half = [(0.42, -0.68), (0.84, -0.46), (0.88, 0.0), (0.56, 0.56), (0.22, tip - 0.1)]
    outline = [(0.0, -0.6), *half, (0.0, tip), *[(-x, y) for x, y in reversed(half)]]
    sketch.blob(stretch(outline, wide, 1.0))
    rows = ((-0.12, (-0.6, -0.2, 0.2, 0.6)), (0.22, (-0.42, 0.0, 0.42)), (0.56, (-0.22, 0.22)))
    for y, columns in rows:
        for x in columns:
            sketch.disc(x * wide, y, 0.055, 0.095, sketch.ink, outlined=False)
            sketch.disc(x * wide - 0.01, y + 0.02, 0.03, 0.055, LAMP, outlined=False)
    sketch.stroke([(0.0, -0.62), (0.02, -0.84), (vary.uniform(0.02, 0.2), -1.0)], 0.12, LEAF, outlined=True)
    crown = [(0.0, -0.84), (0.3, -0.78), (0.78, -0.66), (0.4, -0.5), (0.34, -0.24), (0.12, -0.46)]
    low = vary.uniform(-0.22, -0.08)
    sketch.fill([*crown, (0.0, low), *[(-x, y) for x, y in reversed(crown[1:])]], LEAF)
