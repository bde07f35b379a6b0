"""Chair, table, lamp."""

from __future__ import annotations

from random import Random

import numpy as np

from instructsam.world.scenes.drawings.geometry import arc, box, ellipse
from instructsam.world.scenes.drawings.sketch import LAMP, STEEL, Sketch, mix


def chair(sketch: Sketch, vary: Random) -> None:
    """Three-quarter view: the backrest stands at the left, the seat reaches to the right."""
    high, lean = vary.uniform(1.0, 1.2), vary.uniform(0.06, 0.16)
    foot = vary.uniform(0.86, 1.0)
    sketch.stroke([(0.62, 0.1), (0.64, foot - 0.24)], 0.13, sketch.dark, outlined=True)
    sketch.stroke([(-0.02, 0.1), (-0.02, foot - 0.24)], 0.13, sketch.dark, outlined=True)
    for x, out in ((-0.56, -0.05), (0.4, 0.04)):
        sketch.stroke([(x, 0.3), (x + out, foot)], 0.17, outlined=True)
    seat = [(-0.66, 0.16), (-0.02, -0.12), (0.74, 0.0), (0.5, 0.3)]
    sketch.fill([*seat, (0.5, 0.46), (-0.66, 0.34)])
    sketch.fill([(-0.66, 0.18), (0.5, 0.31), (0.5, 0.46), (-0.66, 0.34)])
    sketch.fill([(0.5, 0.31), (0.74, 0.0), (0.74, 0.14), (0.5, 0.46)], sketch.dark)
    back = [(-0.68, 0.18), (-0.68 - lean, 0.16 - high), (-0.62 - lean, 0.06 - high)]
    sketch.fill([*back, (0.0 - lean, -0.18 - high), (0.05 - lean, -0.12 - high), (0.06, -0.1)])
    style = vary.choice((0, 1, 2))
    if style == 0:
        slot = [(-0.5 - lean, 0.2 - high), (-0.14 - lean, 0.04 - high), (-0.13 - lean, 0.16 - high)]
        sketch.hole([*slot, (-0.49 - lean, 0.32 - high)])
    for step in (0.34, 0.56)[:style]:
        left, right = -0.68 - lean * (1.0 - step), 0.06 - lean * (1.0 - step)
        y = 0.18 - high * (1.0 - step)
        sketch.stroke([(left + 0.14, y - 0.05), (right - 0.14, y - 0.2)], 0.06, sketch.ink)


def table(sketch: Sketch, vary: Random) -> None:
    """Seen from a little above, so that the top shows."""
    deep, foot = vary.uniform(0.52, 0.64), vary.uniform(0.72, 0.9)
    leg = vary.uniform(0.15, 0.19)
    shade = mix(sketch.base, sketch.ink, 0.18)
    for side in (-1, 1):
        sketch.stroke([(side * 0.5, 0.0), (side * 0.5, foot - 0.24)], leg * 0.8, shade, outlined=True)
        sketch.stroke([(side * 0.8, 0.0), (side * 0.82, foot)], leg, outlined=True)
    if vary.random() < 0.6:
        top = [(-0.74, -deep), (0.74, -deep), (1.04, 0.02), (-1.04, 0.02)]
        sketch.fill(box(-0.92, 0.06, 0.92, 0.28), sketch.dark)
        sketch.fill([*top[:2], (1.04, 0.02), (1.04, 0.14), (-1.04, 0.14), (-1.04, 0.02)])
        sketch.stroke([(-1.02, 0.02), (1.02, 0.02)], 0.035, sketch.ink)
    else:
        sketch.fill(ellipse(0.0, -0.14, 1.04, deep * 0.62))
        sketch.fill(ellipse(0.0, -0.24, 1.04, deep * 0.62))


def lamp(sketch: Sketch, vary: Random) -> None:
    """A table lamp: a shade over a round foot, and a chain to pull."""
    top, wide = vary.uniform(0.38, 0.48), vary.uniform(0.84, 0.96)
    round_foot = vary.uniform(0.36, 0.44)
    upper, lower = arc(0.0, -1.1, top, 0.06, 180, 360, 10), arc(0.0, 0.0, wide, 0.1, 0, 180, 16)
    sketch.fill(np.concatenate([upper, lower]))
    sketch.stroke([(-top * 0.72, -0.9), (-wide * 0.72, -0.26)], 0.09, sketch.light)
    sketch.disc(0.0, 0.0, wide, 0.15, LAMP)
    sketch.stroke([(0.0, 0.04), (0.0, 0.5)], 0.12, STEEL, outlined=True)
    sketch.stroke([(0.46, 0.04), (0.46, 0.4)], 0.04, sketch.ink)
    sketch.disc(0.46, 0.46, 0.075, color=LAMP)
    sketch.disc(0.0, 0.74, round_foot, 0.36)
    sketch.fill(box(-0.5, 1.02, 0.5, 1.18, 0.05), sketch.dark)
