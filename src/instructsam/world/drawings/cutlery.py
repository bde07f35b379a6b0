"""Fork, knife, spoon; all lie with their handle on the left."""

from __future__ import annotations

from random import Random

from instructsam.world.drawings.sketch import Sketch


def fork(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))


def knife(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))


def spoon(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))
