"""Fork, knife, spoon; all lie with their handle on the left."""

from __future__ import annotations

from random import Random

from instructsam.world.scenes.drawings.geometry import arc, box
from instructsam.world.scenes.drawings.sketch import CREAM, Sketch, mix


def fork(sketch: Sketch, vary: Random) -> None:
    half, end = vary.uniform(0.13, 0.16), vary.uniform(0.17, 0.21)
    high, root = vary.uniform(0.46, 0.52), vary.uniform(0.34, 0.42)
    tine, reach = high * 0.21, 1.0
    upper = [(-0.9, -end), (-0.1, -half), (-0.02, -half * 1.1), (0.12, -high * 0.86), (0.26, -high)]
    tines: list[tuple[float, float]] = []
    for middle in (-high + tine, 0.0, high - tine):
        tip = arc(reach - tine, middle, tine, tine, -90, 90, 8)
        tines.extend([(root, middle - tine), *[(float(x), float(y)) for x, y in tip], (root, middle + tine)])
    lower = [(x, -y) for x, y in reversed(upper)]
    heel = [(float(x), float(y)) for x, y in arc(-0.9, 0.0, end, end, 90, 270, 10)]
    sketch.fill([*upper, *tines[1:-1], *lower, *heel])
    sketch.stroke([(-0.9, -0.03), (-0.3, -0.02)], 0.06, sketch.light)


def knife(sketch: Sketch, vary: Random) -> None:
    thick, high = vary.uniform(0.14, 0.17), vary.uniform(0.42, 0.5)
    spine, belly = -0.56 * high, vary.uniform(0.9, 1.06) * high
    edge = [(0.96, 0.02 * belly), (0.76, 0.42 * belly), (0.5, 0.74 * belly), (0.2, 0.94 * belly)]
    sketch.fill([(-0.36, spine), (0.7, spine), (1.1, spine * 0.7), *edge, (-0.1, belly), (-0.36, belly)])
    sketch.stroke([(-0.16, spine * 0.52), (0.72, spine * 0.5)], 0.06, sketch.light)
    grip = mix(sketch.base, sketch.ink, 0.45)
    middle = spine + thick + 0.02
    sketch.fill(box(-1.1, middle - thick, -0.36, middle + thick, thick * 0.9), grip)
    sketch.fill(box(-0.46, spine - 0.03, -0.32, middle + thick + 0.04, 0.04), sketch.light)
    for x in (-0.9, -0.64):
        sketch.disc(x, middle, 0.055, color=CREAM, outlined=False)


def spoon(sketch: Sketch, vary: Random) -> None:
    long, high = vary.uniform(0.52, 0.58), vary.uniform(0.42, 0.48)
    half, end = vary.uniform(0.11, 0.14), vary.uniform(0.17, 0.21)
    middle = 1.02 - long
    neck, heel = middle - long * 0.8, arc(-0.92, 0.0, end, end, 100, 260, 10)
    sketch.fill([(neck, half), *[(float(x), float(y)) for x, y in heel], (neck, -half)])
    sketch.disc(middle, 0.0, long, high)
    sketch.fill(box(middle - long * 1.2, -half * 0.7, middle - long * 0.8, half * 0.7), outlined=False)
    sketch.disc(middle + 0.04, 0.0, long * 0.72, high * 0.68, sketch.dark, outlined=False)
    sketch.disc(middle + 0.1, 0.03, long * 0.62, high * 0.56, outlined=False)
    sketch.stroke(arc(middle, 0.0, long * 0.56, high * 0.5, 300, 350, 6), 0.07, sketch.light)
    sketch.stroke([(-0.94, -0.03), (-0.5, -0.02)], 0.06, sketch.light)
