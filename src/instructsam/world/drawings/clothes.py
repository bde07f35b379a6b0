"""Hat, shoe, sock, shirt."""

from __future__ import annotations

from random import Random

from instructsam.world.drawings.sketch import Sketch


def hat(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))


def shoe(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))


def sock(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))


def shirt(sketch: Sketch, vary: Random) -> None:
    sketch.disc(0.0, 0.0, 1.0, vary.uniform(0.5, 0.9))
