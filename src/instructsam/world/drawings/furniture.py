"""Chair, table, lamp."""

from __future__ import annotations

from random import Random

from instructsam.world.drawings.sketch import Sketch


def chair(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))


def table(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))


def lamp(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))
