"""Programs that one could ask about a scene, one family at a time.

Each function proposes; whether the answer is clear and of the wanted size is checked by the caller. With
`absent`, programs look answerable and have no target: an absent kind, a combination that does not occur, a
false relation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from instructsam.world.program import (
    ATTRIBUTES,
    EXTREMES,
    RELATIONS,
    SIDES,
    All,
    Both,
    Difference,
    Either,
    Extreme,
    Filter,
    Ordinal,
    Position,
    Program,
    Relate,
    Superlative,
)
from instructsam.world.wording import chance, pick

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.facts import Facts, ObjectFact


class Proposer:
    """Draws programs about one scene."""

    def __init__(self, rng: np.random.Generator, facts: Facts) -> None:
        self.rng = rng
        self.things: tuple[ObjectFact, ...] = facts.seen.objects

    def missing(self, attribute: str) -> str:
        """A value of the attribute that no object has (any value when all occur)."""
        present = {getattr(thing, attribute) for thing in self.things}
        absent = [value for value in ATTRIBUTES[attribute] if value not in present]
        return pick(self.rng, absent or ATTRIBUTES[attribute])

    def head(self, thing: ObjectFact, kind: float = 0.5, family: float = 0.25) -> Program:
        """What a thing may be called without its colour and size: its kind, its family, or just an object."""
        draw = self.rng.random()
        if draw < kind:
            return Filter(All(), "kind", thing.kind)
        return Filter(All(), "family", thing.family) if draw < kind + family else All()

    def named(self, thing: ObjectFact, rich: float = 0.4) -> Program:
        """The thing by kind, with its colour or size now and then, or by family or colour."""
        program = self.head(thing, 0.7, 0.2)
        if isinstance(program, All) or chance(self.rng, rich):
            attribute = "color" if chance(self.rng, 0.75) else "size"
            program = Filter(program, attribute, getattr(thing, attribute))
        return program

    def crowd(self) -> Program:
        """A plain set that often has several members: what things are ordered among."""
        thing = pick(self.rng, self.things)
        draw = self.rng.random()
        if draw < 0.45:
            return Filter(All(), "kind", thing.kind)
        if draw < 0.7:
            return Filter(All(), "family", thing.family)
        if draw < 0.82:
            return Filter(All(), "color", thing.color)
        return Filter(self.head(thing, 0.6, 0.4), "color", thing.color) if draw < 0.88 else All()


def category(draw: Proposer, absent: bool) -> Program:
    """A kind or a family."""
    if absent:
        attribute = "kind" if chance(draw.rng, 0.75) else "family"
        return Filter(All(), attribute, draw.missing(attribute))
    return draw.head(pick(draw.rng, draw.things), 0.64, 0.36)


def attribute(draw: Proposer, absent: bool) -> Program:
    """Colour, size or both, of a kind, a family or anything."""
    rng = draw.rng
    thing = pick(rng, draw.things)
    other = pick(rng, draw.things) if absent else thing
    program = draw.head(thing, 0.45, 0.2)
    choice = rng.random()
    if choice < 0.45:
        program = Filter(program, "size", other.size)
    if choice > 0.22:
        color = draw.missing("color") if absent and chance(rng, 0.25) else other.color
        program = Filter(program, "color", color)
    return program


def spatial(draw: Proposer, absent: bool) -> Program:
    """Beside or above one other object, or in one half of the picture."""
    rng = draw.rng
    source = draw.head(pick(rng, draw.things), 0.4, 0.25)
    if not isinstance(source, All) and chance(rng, 0.1):
        source = Filter(source, "color", pick(rng, draw.things).color)
    if chance(rng, 0.35):
        return Position(source, pick(rng, SIDES))
    if absent and chance(rng, 0.2):
        anchor: Program = Filter(All(), "kind", draw.missing("kind"))
    else:
        anchor = draw.named(pick(rng, draw.things))
    return Relate(source, pick(rng, RELATIONS), anchor)


def ordinal(draw: Proposer, absent: bool) -> Program:
    """Leftmost, second from the right, the two largest."""
    rng = draw.rng
    source = draw.crowd()
    if absent:
        if chance(rng, 0.4):
            source = Filter(All(), "kind", draw.missing("kind"))
        else:
            return Ordinal(source, pick(rng, SIDES), int(rng.integers(3, 7)))
    choice = rng.random()
    if choice < 0.35:
        return Ordinal(source, pick(rng, SIDES), 1 + int(rng.integers(4)))
    count = 1 if absent or chance(rng, 0.6) else int(rng.integers(2, 4))
    if choice < 0.7:
        return Extreme(source, pick(rng, SIDES), count)
    return Superlative(source, pick(rng, EXTREMES), count)


def logic(draw: Proposer, absent: bool) -> Program:
    """And, or, not, except."""
    rng = draw.rng
    thing, other = pick(rng, draw.things), pick(rng, draw.things)
    choice = rng.random()
    if choice < 0.3:
        if absent:
            gone = Filter(All(), "kind", draw.missing("kind"))
            return Either(gone, Filter(draw.head(thing, 0.8, 0.2), "color", other.color))
        return Either(draw.named(thing), draw.named(other))
    if choice < 0.5:
        source = draw.head(thing, 0.3, 0.3)
        color = other.color if absent else thing.color
        return Both(Filter(source, "size", thing.size), Filter(source, "color", color))
    source = draw.head(thing, 0.35, 0.4)
    if choice < 0.6:
        return Both(_place(draw, source, ("left", "right")), _place(draw, source, ("top", "bottom")))
    if choice < 0.85:
        attribute = "color" if chance(rng, 0.75) else "size"
        return Difference(source, Filter(source, attribute, getattr(thing if absent else other, attribute)))
    if isinstance(source, All):
        return Difference(source, draw.named(other))
    return Difference(source, Extreme(source, pick(rng, SIDES)))


def _place(draw: Proposer, source: Program, sides: tuple[str, str]) -> Program:
    side = pick(draw.rng, sides)
    if chance(draw.rng, 0.3):
        return Position(source, side)
    relation = {"left": "left_of", "right": "right_of", "top": "above", "bottom": "below"}[side]
    return Relate(source, relation, draw.named(pick(draw.rng, draw.things)))


PROPOSALS: dict[str, Callable[[Proposer, bool], Program]] = {
    "category": category,
    "attribute": attribute,
    "spatial": spatial,
    "ordinal": ordinal,
    "logic": logic,
}
