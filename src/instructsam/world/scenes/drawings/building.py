"""House, castle, tent."""

from __future__ import annotations

from random import Random

import numpy as np

from instructsam.world.scenes.drawings.geometry import Points, arc, box
from instructsam.world.scenes.drawings.sketch import CREAM, INK, TWIG, WINDOW, Sketch, mix


def _gate(cx: float, foot: float, half: float, high: float) -> Points:
    """A doorway with a round top."""
    top = foot - high + half
    return np.concatenate([[(cx + half, foot), (cx - half, foot)], arc(cx, top, half, half, 180, 360, 10)])


def house(sketch: Sketch, vary: Random) -> None:
    peak, eaves = vary.uniform(-1.0, -0.84), vary.uniform(-0.3, -0.2)
    side = vary.choice((-1, 1))
    roof = mix(sketch.base, sketch.ink, 0.42)
    sketch.fill(box(side * 0.46 - 0.12, peak - 0.02, side * 0.46 + 0.12, -0.3), roof)
    sketch.fill([(-0.76, eaves), (0.0, peak + 0.1), (0.76, eaves), (0.76, 0.86), (-0.76, 0.86)])
    band = [(0.0, peak - 0.1), (1.0, eaves - 0.02), (0.91, eaves + 0.12), (0.0, peak + 0.15)]
    sketch.fill([*band, (-0.91, eaves + 0.12), (-1.0, eaves - 0.02)], roof)
    door = -side * 0.32
    sketch.fill(box(door - 0.17, 0.26, door + 0.17, 0.86), mix(TWIG, CREAM, 0.5))
    sketch.disc(door + 0.1, 0.54, 0.045, color=CREAM, outlined=False)
    pane = side * 0.34
    sketch.fill(box(pane - 0.2, 0.14, pane + 0.2, 0.5), mix(WINDOW, sketch.light, 0.25))
    sketch.stroke([(pane, 0.16), (pane, 0.48)], 0.03, sketch.ink)
    sketch.stroke([(pane - 0.18, 0.32), (pane + 0.18, 0.32)], 0.03, sketch.ink)
    if vary.random() < 0.5:
        sketch.disc(0.0, -0.24, 0.12, color=mix(WINDOW, sketch.light, 0.25))


def _battlements(x1: float, x2: float, top: float, teeth: int) -> list[tuple[float, float]]:
    """The upper edge of a wall from left to right, `teeth` teeth and the gaps between them."""
    width = (x2 - x1) / (2 * teeth - 1)
    edge = []
    for index in range(2 * teeth - 1):
        y = top if index % 2 == 0 else top + 0.16
        edge += [(x1 + index * width, y), (x1 + (index + 1) * width, y)]
    return edge


def castle(sketch: Sketch, vary: Random) -> None:
    tower, wall = vary.uniform(-0.86, -0.7), vary.uniform(-0.32, -0.16)
    flags = vary.choice(((-1,), (1,), (-1, 1)))
    for side in flags:
        x = side * 0.72
        sketch.stroke([(x, tower + 0.1), (x, tower - 0.46)], 0.05, sketch.ink)
        sketch.fill([(x, tower - 0.46), (x + 0.34, tower - 0.34), (x, tower - 0.2)], sketch.light)
    edge = _battlements(-1.06, -0.38, tower, 3)
    edge += _battlements(-0.38, 0.38, wall, 3)
    edge += _battlements(0.38, 1.06, tower, 3)
    sketch.fill([*edge, (1.06, 0.86), (-1.06, 0.86)])
    for side in (-1, 1):
        sketch.stroke([(side * 0.38, wall + 0.05), (side * 0.38, 0.84)], 0.025, sketch.ink)
        sketch.fill(_gate(side * 0.72, tower + 0.66, 0.08, 0.28), mix(sketch.ink, INK, 0.4), outlined=False)
    sketch.fill(_gate(0.0, 0.86, 0.25, 0.62), mix(TWIG, CREAM, 0.45))
    sketch.stroke([(0.0, 0.3), (0.0, 0.84)], 0.035, sketch.ink)


def tent(sketch: Sketch, vary: Random) -> None:
    """A ridge tent seen from the front left: open flap, long side to the right."""
    peak, back = vary.uniform(-0.92, -0.78), vary.uniform(0.56, 0.7)
    ridge, wide = -0.34, vary.uniform(0.62, 0.7)
    for x in (ridge - wide - 0.16, 1.14):
        sketch.stroke([(x, 0.5), (x + 0.05, 0.66)], 0.06, TWIG)
    sketch.stroke([(ridge, peak), (ridge - wide - 0.16, 0.54)], 0.025, sketch.ink)
    sketch.stroke([(back, peak + 0.14), (1.14, 0.54)], 0.025, sketch.ink)
    sketch.stroke([(ridge, peak - 0.12), (ridge, peak + 0.1)], 0.07, TWIG)
    sketch.fill([(ridge, peak), (back, peak + 0.12), (1.02, 0.42), (ridge + wide, 0.68)])
    sketch.fill([(ridge, peak), (ridge + wide, 0.68), (ridge - wide, 0.68)])
    gap = peak + 0.46
    sketch.fill([(ridge, gap), (ridge + 0.3, 0.68), (ridge - 0.3, 0.68)], mix(sketch.ink, INK, 0.2))
    for side in (-1, 1):
        flap = [(ridge, gap), (ridge + side * 0.12, 0.26), (ridge + side * 0.2, 0.68)]
        sketch.fill([*flap, (ridge + side * 0.42, 0.68)], mix(sketch.pale, sketch.light, 0.3))
