"""Sizes and distances of objects, shared by several operations.

Positions are fractions of the picture's width and height. Distances are in units of the picture's height, for which
a picture's aspect (width / height) is needed.
"""

from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import ObjectFact

AREA_RATIO = 1.25  # an object must have this many times the other's area to be called larger
LENGTH_RATIO = 1.1  # and must not look this many times shorter than the other


def looks_shorter(one: ObjectFact, other: ObjectFact, aspect: float) -> bool:
    """Whether `one` is so much shorter than the other that few would call it the larger one, whatever its area."""
    return LENGTH_RATIO * length(one, aspect) < length(other, aspect)


def length(fact: ObjectFact, aspect: float) -> float:
    """The longer side of an object's box."""
    return max(fact.width * aspect, fact.height)


def distance(one: ObjectFact, other: ObjectFact, aspect: float) -> float:
    """Between the centres."""
    return hypot((one.x - other.x) * aspect, one.y - other.y)


def gap(one: ObjectFact, other: ObjectFact, aspect: float) -> float:
    """Between the edges of the two boxes; 0 where they touch."""
    across = (abs(one.x - other.x) - (one.width + other.width) / 2) * aspect
    down = abs(one.y - other.y) - (one.height + other.height) / 2
    return hypot(max(across, 0.0), max(down, 0.0))
