"""Chair, table, lamp."""

from __future__ import annotations

from random import Random

import numpy as np

from instructsam.world.drawings.sketch import LAMP, STEEL, Sketch, arc, box


def chair(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))


def table(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))


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
