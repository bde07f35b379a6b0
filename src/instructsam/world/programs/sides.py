"""Order along a side of the picture, with the margin inside which people would disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instructsam.world.language.lexicon import Swaps
from instructsam.world.programs.program import AmbiguousProgramError

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import ObjectFact

SIDES = ("left", "right", "top", "bottom")
SIDE_SWAPS: tuple[Swaps, ...] = (
    {"left": ("left", "leftmost"), "right": ("right", "rightmost")},
    {"top": ("top", "topmost"), "bottom": ("bottom", "bottommost")},
)
ORDER_MARGIN = 0.05  # of the picture's side: objects closer than this have no order that people agree on


def along(fact: ObjectFact, side: str) -> float:
    """How far the object is from `side`: grows away from it."""
    return {"left": fact.x, "right": -fact.x, "top": fact.y, "bottom": -fact.y}[side]


def ranked_from(side: str, source: list[ObjectFact]) -> list[tuple[float, ObjectFact]]:
    """Distance from the side and object, the nearest first."""
    return sorted(((along(fact, side), fact) for fact in source), key=lambda pair: pair[0])


def take(ranked: list[tuple[float, ObjectFact]], start: int, stop: int) -> list[ObjectFact]:
    """Ranks start..stop-1, provided that nothing else is almost level with them.

    Raises:
        AmbiguousProgramError: fewer objects than `stop`, or two that are almost level at an end.
    """
    if not ranked:
        return []
    if stop > len(ranked):
        raise AmbiguousProgramError(f"expected at least {stop} objects, got {len(ranked)}")
    for edge in (start, stop):
        if 0 < edge < len(ranked) and ranked[edge][0] - ranked[edge - 1][0] < ORDER_MARGIN:
            raise AmbiguousProgramError(f"objects at ranks {edge} and {edge + 1} are almost level")
    return [fact for _, fact in ranked[start:stop]]
