"""Ball, kite, teddy bear."""

from __future__ import annotations

from random import Random

import numpy as np

from instructsam.world.scenes.drawings.geometry import arc, smooth
from instructsam.world.scenes.drawings.sketch import CREAM, INK, Sketch, mix


def _seams(sketch: Sketch) -> None:
    """Seams between the panels and the button where they meet; the panels are alike, so it is not striped."""
    for reach, start in ((0.7, 90), (0.2, 90), (0.42, -90), (0.86, -90)):
        sketch.stroke(arc(0.0, 0.0, reach, 0.97, start, start + 180, 14), 0.035, sketch.ink)
    sketch.disc(0.0, -0.84, 0.2, 0.1, CREAM)


def _star_band(sketch: Sketch) -> None:
    band = np.concatenate([arc(0.0, -0.16, 1.0, 0.34, 170, 10, 14), arc(0.0, 0.2, 0.98, 0.36, 6, 174, 14)])
    sketch.fill(band, CREAM)
    spokes = zip(range(-90, 270, 36), (0.32, 0.14) * 5, strict=True)
    sketch.fill(np.stack([arc(0.0, 0.38, r, r, a, a, 1)[0] for a, r in spokes]), sketch.dark, outlined=False)


def ball(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0)
    if vary.random() < 0.6:
        _seams(sketch)
    else:
        _star_band(sketch)
    sketch.disc(-0.45, -0.5, 0.14, 0.2, mix(sketch.pale, CREAM, 0.3), outlined=False)


def kite(sketch: Sketch, vary: Random) -> None:
    wide, cross = vary.uniform(0.62, 0.74), vary.uniform(-0.5, -0.36)
    tail = [(0.0, 0.66), (0.16, 0.86), (-0.06, 1.06), (0.12, 1.26), (-0.04, 1.46)]
    sketch.stroke(tail, 0.035, sketch.ink)
    for x, y in tail[1::2]:
        sketch.fill([(x, y), (x - 0.2, y - 0.12), (x - 0.2, y + 0.12)])
        sketch.fill([(x, y), (x + 0.2, y - 0.12), (x + 0.2, y + 0.12)])
    sketch.fill([(0.0, -1.1), (wide, cross), (0.0, 0.7), (-wide, cross)])
    sketch.fill(
        [(0.0, -1.06), (wide * 0.94, cross), (0.0, cross)],
        mix(sketch.light, sketch.pale, 0.3),
        outlined=False,
    )
    sketch.fill(
        [(0.0, 0.64), (-wide * 0.94, cross), (0.0, cross)], mix(sketch.base, sketch.dark, 0.1), outlined=False
    )
    sketch.stroke([(0.0, -1.05), (0.0, 0.65)], 0.035, sketch.ink)
    sketch.stroke([(-wide * 0.95, cross), (wide * 0.95, cross)], 0.035, sketch.ink)
    if vary.random() < 0.5:
        sketch.face(0.0, cross + 0.22, 0.56)


def teddy_bear(sketch: Sketch, vary: Random) -> None:
    round_belly = vary.uniform(0.46, 0.54)
    for side in (-1, 1):
        sketch.disc(side * 0.4, -0.92, 0.2)
        sketch.disc(side * 0.4, -0.92, 0.1, color=sketch.light, outlined=False)
        sketch.fill(smooth([(side * x, y) for x, y in ((0.3, -0.06), (0.74, 0.1), (0.78, 0.34), (0.4, 0.3))]))
        sketch.disc(side * 0.42, 0.88, 0.27, 0.24)
        sketch.disc(side * 0.45, 0.91, 0.13, 0.12, sketch.light, outlined=False)
    sketch.disc(0.0, 0.38, round_belly, 0.58)
    sketch.disc(0.0, 0.44, round_belly * 0.6, 0.36, sketch.light, outlined=False)
    sketch.disc(0.0, -0.56, 0.54, 0.48)
    sketch.disc(0.0, -0.4, 0.25, 0.19, mix(sketch.pale, CREAM, 0.6), outlined=False)
    sketch.disc(0.0, -0.47, 0.09, 0.07, INK, outlined=False)
    sketch.stroke(arc(0.0, -0.42, 0.1, 0.12, 20, 160, 6), 0.04, INK)
    for side in (-1, 1):
        sketch.disc(side * 0.22, -0.66, 0.065, 0.08, INK, outlined=False)
    if vary.random() < 0.5:
        for side in (-1, 1):
            sketch.fill([(0.0, -0.06), (side * 0.26, -0.18), (side * 0.26, 0.08)], INK, outlined=False)
