"""Hat, shoe, sock, shirt; shoe and sock point to the right."""

from __future__ import annotations

from random import Random

import numpy as np

from instructsam.world.scenes.drawings.geometry import arc, box, smooth
from instructsam.world.scenes.drawings.sketch import CREAM, WHITE, Sketch, mix


def hat(sketch: Sketch, vary: Random) -> None:
    """A felt hat with a dented crown, a ribbon and a wide brim, seen a little from above."""
    high, wide = vary.uniform(0.84, 1.0), vary.uniform(0.58, 0.66)
    curl = vary.uniform(0.1, 0.2)
    brim = [(-1.18, 0.16 - curl), (-0.7, 0.12), (0.0, 0.1), (0.7, 0.12), (1.18, 0.16 - curl)]
    sketch.blob([*brim, (1.0, 0.36), (0.55, 0.56), (0.0, 0.62), (-0.55, 0.56), (-1.0, 0.36)])
    ribbon = vary.choice((CREAM, sketch.ink))
    if vary.random() < 0.5:
        feather = [(0.44, 0.1), (0.5, -0.4), (0.74, -0.86), (0.98, -0.98), (0.98, -0.7), (0.8, -0.24)]
        sketch.blob(feather, mix(sketch.pale, CREAM, 0.5))
        sketch.stroke([(0.54, 0.0), (0.66, -0.4), (0.86, -0.78)], 0.04, sketch.ink)
    top = wide * 0.82
    left, right = (arc(x, 0.12 - high, top * 0.54, 0.2, 180, 360, 9) for x in (-top * 0.54, top * 0.54))
    crown = np.concatenate([[(-wide, 0.22)], left, [(0.0, 0.14 - high)], right])
    sketch.fill(np.concatenate([crown, arc(0.0, 0.22, wide, 0.14, 0, 180, 14)]))
    sketch.stroke([(0.0, 0.12 - high), (0.0, 0.38 - high)], 0.05, sketch.ink)
    upper, lower = arc(0.0, -0.06, wide * 0.97, 0.14, 180, 0, 14), arc(0.0, 0.22, wide, 0.14, 0, 180, 14)
    sketch.fill(np.concatenate([upper, lower]), ribbon)


def shoe(sketch: Sketch, vary: Random) -> None:
    """A trainer with a white sole, toe cap and laces."""
    collar, toe = vary.uniform(-0.72, -0.6), vary.uniform(0.1, 0.18)
    tongue = [(-0.3, collar + 0.3), (-0.2, collar - 0.2), (0.06, collar - 0.18), (0.34, -0.16), (0.1, 0.0)]
    sketch.fill(tongue, sketch.light)
    heel = [(-1.04, 0.52), (-1.02, 0.0), (-1.1, collar), (-1.0, collar - 0.1), (-0.62, collar + 0.16)]
    throat = [(-0.3, collar + 0.1), (-0.12, collar + 0.02), (0.26, -0.16), (0.66, toe - 0.12)]
    sketch.blob([*heel, *throat, (1.04, toe + 0.04), (1.18, 0.38), (1.1, 0.62), (0.1, 0.6)])
    cap = [(0.86, 0.6), (0.74, 0.32), (0.82, toe - 0.04), (1.04, toe + 0.04), (1.18, 0.38), (1.12, 0.62)]
    sketch.blob(cap, WHITE)
    sketch.fill(box(-1.12, 0.54, 1.28, 0.8, 0.1), WHITE)
    if vary.random() < 0.5:
        sketch.stroke([(-1.06, 0.68), (1.22, 0.68)], 0.06, sketch.base)
    for step in range(3):
        x, y = 0.02 + 0.2 * step, collar + 0.1 + (0.13 - collar * 0.08) * step
        sketch.stroke([(x, y), (x - 0.2, y + 0.16)], 0.07, WHITE, outlined=True)


def sock(sketch: Sketch, vary: Random) -> None:
    """A long sock with a pale cuff, heel and toe."""
    wide, long = vary.uniform(0.36, 0.42), vary.uniform(0.9, 1.04)
    trim = vary.choice((CREAM, WHITE, sketch.pale))
    heel = arc(0.36 - wide, 0.64, 0.4, 0.38, 200, 90, 10)
    toe = arc(0.68, 0.66, 0.4, 0.36, 90, -90, 14)
    instep = arc(0.68, 0.02, 0.68 - wide, 0.28, 90, 180, 6)
    leg = np.array([(wide, -long), (-wide, -long), (-wide, 0.4)])
    sketch.fill(np.concatenate([leg, heel, toe, instep]))
    sketch.fill(np.concatenate([heel, arc(0.01 - wide, 0.98, 0.36, 0.46, 0, -90, 8)]), trim)
    sketch.fill(np.concatenate([toe, arc(0.74, 0.66, 0.14, 0.36, 270, 90, 8)]), trim)
    sketch.fill(box(-wide - 0.08, -long - 0.18, wide + 0.08, -long + 0.16, 0.08), trim)
    for x in (-0.5, 0.0, 0.5):
        sketch.stroke([(x * wide, -long - 0.08), (x * wide, -long + 0.06)], 0.045, sketch.ink)


def shirt(sketch: Sketch, vary: Random) -> None:
    """A T-shirt, spread out."""
    wide, long = vary.uniform(0.58, 0.66), vary.uniform(0.92, 1.04)
    drop = vary.uniform(-0.06, 0.06)
    shoulder = [(0.3, -0.92), (0.62, -0.82), (1.16, -0.24 + drop), (0.84, 0.06 + drop), (wide, -0.2)]
    half = [*shoulder, (wide + 0.02, long - 0.06), (wide - 0.04, long)]
    sketch.disc(0.0, -0.92, 0.3, 0.09, sketch.ink)
    neck = arc(0.0, -0.92, 0.3, 0.26, 180, 0, 12)
    outline = [*half, *[(-x, y) for x, y in reversed(half)]]
    sketch.fill(np.concatenate([np.array(outline), neck]))
    trim = vary.choice((sketch.light, sketch.dark, CREAM))
    for side in (-1, 1):
        cuff = [(1.16, -0.24 + drop), (0.84, 0.06 + drop), (0.74, -0.05 + drop), (1.06, -0.35 + drop)]
        sketch.fill([(side * x, y) for x, y in cuff], trim)
        sketch.stroke([(side * wide, -0.2), (side * wide * 0.94, -0.56)], 0.04, sketch.ink)
    sketch.stroke(arc(0.0, -0.92, 0.34, 0.3, 172, 8, 12), 0.08, trim, outlined=True)
    if vary.random() < 0.4:
        sketch.fill(smooth([(0.2, -0.3), (0.46, -0.3), (0.46, -0.06), (0.33, 0.02), (0.2, -0.06)]), trim)
