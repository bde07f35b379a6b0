"""Random descriptions of the objects of one scene, from which programs are proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instructsam.world.language.chance import chance, pick
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.filter import ATTRIBUTES, Filter
from instructsam.world.programs.program import Program

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.scenes.facts import Facts, ObjectFact

_DESCRIPTIONS: tuple[tuple[str, ...], ...] = (
    ("kind",),
    ("kind", "color"),
    ("kind", "size"),
    ("kind", "pattern"),
    ("color",),
    ("family", "color"),
)
FOCUS_SHARE = 0.7
ABSENT_ANCHOR_SHARE = 0.25


class Proposer:
    """Draws objects and descriptions of one scene; objects in `focus` are drawn more often than others."""

    def __init__(self, rng: np.random.Generator, facts: Facts, focus: frozenset[int] = frozenset()) -> None:
        self.rng = rng
        self.things: tuple[ObjectFact, ...] = facts.seen.objects
        self.shelves = facts.shelves
        self._focused = [thing for thing in self.things if thing.index in focus]

    def thing(self) -> ObjectFact:
        """One of the visible objects."""
        if self._focused and chance(self.rng, FOCUS_SHARE):
            return pick(self.rng, self._focused)
        return pick(self.rng, self.things)

    def unique(self, avoid: tuple[str, ...] = ()) -> Program | None:
        """A short description that fits exactly one object; None if the object drawn has none without `avoid`."""
        thing = pick(self.rng, self.things)
        fitting = [
            names
            for names in _DESCRIPTIONS
            if not set(names) & set(avoid)
            and sum(all(getattr(one, n) == getattr(thing, n) for n in names) for one in self.things) == 1
        ]
        if not fitting:
            return None
        names = fitting[0] if chance(self.rng, 0.6) else pick(self.rng, fitting)
        program: Program = All()
        for name in names:
            program = Filter(program, name, getattr(thing, name))
        return program

    def anchor(self, absent: bool, avoid: tuple[str, ...] = ()) -> Program:
        """The one object that others are compared with; with `absent` sometimes one that does not exist."""
        if absent and chance(self.rng, ABSENT_ANCHOR_SHARE):
            return Filter(All(), "kind", self.missing("kind"))
        return self.unique(avoid) or self.unique(avoid) or Filter(All(), "kind", self.thing().kind)

    def missing(self, attribute: str) -> str:
        """A value of the attribute that no object has (any value when all occur)."""
        present = {getattr(thing, attribute) for thing in self.things}
        absent = [v for v in ATTRIBUTES[attribute] if v not in present and v != "accessory"]
        return pick(self.rng, absent or ATTRIBUTES[attribute])

    def head(self, thing: ObjectFact, kind: float = 0.5, family: float = 0.25) -> Program:
        """The object by its kind, by its family or as just an object, with these probabilities."""
        draw = self.rng.random()
        if draw < kind:
            return Filter(All(), "kind", thing.kind)
        if draw < kind + family:
            # Nobody says "accessory" of one thing.
            name = "kind" if thing.family == "accessory" else "family"
            return Filter(All(), name, getattr(thing, name))
        return All()

    def named(self, thing: ObjectFact, rich: float = 0.4) -> Program:
        """The object by kind, sometimes with its colour or size, or by family or colour."""
        program = self.head(thing, 0.7, 0.2)
        if isinstance(program, All) or chance(self.rng, rich):
            attribute = self.adjective()
            program = Filter(program, attribute, getattr(thing, attribute))
        return program

    def adjective(self) -> str:
        """Colour, size or pattern; colour is what people use most."""
        return pick(self.rng, ("color", "color", "color", "size", "pattern"))

    def crowd(self, thing: ObjectFact) -> Program:
        """A plain set around the object that often has several members: what things are ordered among."""
        draw = self.rng.random()
        if draw < 0.45:
            return Filter(All(), "kind", thing.kind)
        if draw < 0.7:
            return self.head(thing, 0.0, 1.0)
        if draw < 0.82:
            return Filter(All(), "color", thing.color)
        return Filter(self.head(thing, 0.6, 0.4), "color", thing.color) if draw < 0.88 else All()
