"""When one thing is between, nearest or larger: geometry with margins inside which people would disagree.

Positions are fractions of the picture's width and height; distances here are in units of the picture's height,
for which a picture's aspect (width / height) is needed.
"""

from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING

from instructsam.world.programs.program import AmbiguousProgramError

if TYPE_CHECKING:
    from instructsam.world.programs.facts import ObjectFact

ORDER_MARGIN = 0.05  # of the picture's side: objects closer than this have no order that people agree on
HALF_MARGIN = 0.06  # of the picture's side: an object this near the middle is in neither half
AREA_RATIO = 1.25  # an object must have this many times the other's area to be called larger
LENGTH_RATIO = 1.1  # and must not look this many times shorter than the other
SAME_AREA_RATIO = (
    2.0  # a fork with this many times less area than a ball is not as big as the ball, however long
)
APART = 0.25  # of the picture's height: anchors closer than this have nothing between them
ALONG = (
    -0.05,
    0.15,
)  # of the way between two anchors: before the first it is not between, after the second it is
ASIDE = (0.2, 0.45)  # of the anchors' distance: this near the line it is between, this far it is not
NEARER_RATIO, NEARER_GAP = 1.3, 0.03  # the runner-up must be this much further, by centre and by edge


def is_between(fact: ObjectFact, first: ObjectFact, second: ObjectFact, aspect: float) -> bool:
    """Whether the thing's centre lies between the centres of two others.

    Raises:
        AmbiguousProgramError: the two are too close or the same, or the thing is at the edge of being between.
    """
    across, down = (second.x - first.x) * aspect, second.y - first.y
    length = hypot(across, down)
    if first.index == second.index or length < APART:
        raise AmbiguousProgramError("the two anchors are too close for anything to be between them")
    right, below = (fact.x - first.x) * aspect, fact.y - first.y
    along = (right * across + below * down) / length**2
    aside = abs(right * down - below * across) / length**2
    ends = min(along, 1 - along)
    if ends <= ALONG[0] or aside >= ASIDE[1]:
        return False
    if ends >= ALONG[1] and aside <= ASIDE[0]:
        return True
    raise AmbiguousProgramError(f"object {fact.index} is only almost between the two anchors")


def nearest_to(anchor: ObjectFact, source: list[ObjectFact], aspect: float) -> list[ObjectFact]:
    """The one object of `source` nearest to the anchor, which itself does not count; empty without others.

    Raises:
        AmbiguousProgramError: another is almost as near, from centre to centre or from edge to edge.
    """
    others = [fact for fact in source if fact.index != anchor.index]
    if not others:
        return []
    ranked = sorted(others, key=lambda fact: _distance(fact, anchor, aspect))
    best = ranked[0]
    for other in ranked[1:]:
        far = _distance(other, anchor, aspect) >= NEARER_RATIO * _distance(best, anchor, aspect)
        if not far or _gap(other, anchor, aspect) < _gap(best, anchor, aspect) + NEARER_GAP:
            raise AmbiguousProgramError(f"objects {best.index} and {other.index} are almost equally near")
    return [best]


def is_comparatively(comparison: str, fact: ObjectFact, anchor: ObjectFact, aspect: float) -> bool:
    """Whether the thing is "larger" or "smaller" than the anchor: by area, which its length must not contradict.

    Raises:
        AmbiguousProgramError: almost the same area, or smaller by area and yet longer.
    """
    if fact.area * fact.visible >= AREA_RATIO * anchor.area:
        large, small = fact, anchor
    elif anchor.area * anchor.visible >= AREA_RATIO * fact.area:
        large, small = anchor, fact
    else:
        raise AmbiguousProgramError(f"objects {fact.index} and {anchor.index} are of almost the same area")
    if looks_shorter(large, small, aspect):
        raise AmbiguousProgramError(f"of objects {fact.index} and {anchor.index} the smaller one is longer")
    return (large is fact) == (comparison == "larger")


def looks_shorter(one: ObjectFact, other: ObjectFact, aspect: float) -> bool:
    """Whether `one` is so much shorter than the other that few would call it the larger one, whatever its area."""
    return LENGTH_RATIO * _length(one, aspect) < _length(other, aspect)


def is_as_big(fact: ObjectFact, anchor: ObjectFact) -> bool:
    """Whether the thing is of the anchor's size, which goes by length: a slim thing may yet look smaller.

    Raises:
        AmbiguousProgramError: as long, but of far less or more area.
    """
    if fact.size != anchor.size:
        return False
    if max(fact.area, anchor.area) > SAME_AREA_RATIO * min(fact.area, anchor.area):
        raise AmbiguousProgramError(f"objects {fact.index} and {anchor.index} are as long, but not as big")
    return True


def _distance(one: ObjectFact, other: ObjectFact, aspect: float) -> float:
    return hypot((one.x - other.x) * aspect, one.y - other.y)


def _gap(one: ObjectFact, other: ObjectFact, aspect: float) -> float:
    """Between the edges of the two boxes; 0 where they touch."""
    across = (abs(one.x - other.x) - (one.width + other.width) / 2) * aspect
    down = abs(one.y - other.y) - (one.height + other.height) / 2
    return hypot(max(across, 0.0), max(down, 0.0))


def _length(fact: ObjectFact, aspect: float) -> float:
    return max(fact.width * aspect, fact.height)
