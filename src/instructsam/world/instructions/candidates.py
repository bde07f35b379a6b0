"""Programs that one could ask about a scene, one family at a time.

Each function proposes; whether the answer is clear and of the wanted size is checked by the caller. With
`absent`, programs look answerable and have no target: an absent kind, a combination that does not occur, a
false relation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from instructsam.world.language.lexicon import NUMBERS
from instructsam.world.language.phrases import filters_of
from instructsam.world.language.wording import chance, pick
from instructsam.world.programs.knowledge import DISPUTED_FAMILY, FUNCTIONS
from instructsam.world.programs.program import (
    ATTRIBUTES,
    COMPARISONS,
    EXTREMES,
    RELATIONS,
    SHELVES,
    SIDES,
    All,
    Between,
    Both,
    Compare,
    Counted,
    Difference,
    Either,
    Extreme,
    Filter,
    Nearest,
    OnShelf,
    Ordinal,
    Position,
    Program,
    Relate,
    Same,
    Superlative,
)
from instructsam.world.scenes.scene import FAMILIES

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.programs.facts import Facts, ObjectFact


_DESCRIPTIONS: tuple[tuple[str, ...], ...] = (
    ("kind",),
    ("kind", "color"),
    ("kind", "size"),
    ("kind", "pattern"),
    ("color",),
    ("family", "color"),
)
_MAX_ORDINAL = 6


class Proposer:
    """Draws programs about one scene, more often than not about a thing in `focus` where there are any."""

    def __init__(self, rng: np.random.Generator, facts: Facts, focus: frozenset[int] = frozenset()) -> None:
        self.rng = rng
        self.things: tuple[ObjectFact, ...] = facts.seen.objects
        self.shelves = facts.shelves
        self._focused = [thing for thing in self.things if thing.index in focus]

    def thing(self) -> ObjectFact:
        """One of the visible things."""
        if self._focused and chance(self.rng, 0.7):
            return pick(self.rng, self._focused)
        return pick(self.rng, self.things)

    def unique(self, avoid: tuple[str, ...] = ()) -> Program | None:
        """A short description of one thing that fits no other; None if the thing drawn has none without `avoid`."""
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
        """The one thing that others are compared with; with `absent` now and then one that is not there."""
        if absent and chance(self.rng, 0.25):
            return Filter(All(), "kind", self.missing("kind"))
        return self.unique(avoid) or self.unique(avoid) or Filter(All(), "kind", self.thing().kind)

    def missing(self, attribute: str) -> str:
        """A value of the attribute that no object has (any value when all occur)."""
        present = {getattr(thing, attribute) for thing in self.things}
        absent = [v for v in ATTRIBUTES[attribute] if v not in present and v != "accessory"]
        return pick(self.rng, absent or ATTRIBUTES[attribute])

    def head(self, thing: ObjectFact, kind: float = 0.5, family: float = 0.25) -> Program:
        """What a thing may be called without its colour and size: its kind, its family, or just an object."""
        draw = self.rng.random()
        if draw < kind:
            return Filter(All(), "kind", thing.kind)
        if draw < kind + family:
            # Nobody says "accessory" of one thing.
            name = "kind" if thing.family == "accessory" else "family"
            return Filter(All(), name, getattr(thing, name))
        return All()

    def named(self, thing: ObjectFact, rich: float = 0.4) -> Program:
        """The thing by kind, with its colour or size now and then, or by family or colour."""
        program = self.head(thing, 0.7, 0.2)
        if isinstance(program, All) or chance(self.rng, rich):
            attribute = self.adjective()
            program = Filter(program, attribute, getattr(thing, attribute))
        return program

    def adjective(self) -> str:
        """Colour, size or pattern; colour is what people use most."""
        return pick(self.rng, ("color", "color", "color", "size", "pattern"))

    def crowd(self) -> Program:
        """A plain set that often has several members: what things are ordered among."""
        thing = self.thing()
        draw = self.rng.random()
        if draw < 0.45:
            return Filter(All(), "kind", thing.kind)
        if draw < 0.7:
            return self.head(thing, 0.0, 1.0)
        if draw < 0.82:
            return Filter(All(), "color", thing.color)
        return Filter(self.head(thing, 0.6, 0.4), "color", thing.color) if draw < 0.88 else All()


def category(draw: Proposer, absent: bool) -> Program:
    """A kind or a family."""
    if absent:
        attribute = "kind" if chance(draw.rng, 0.75) else "family"
        return Filter(All(), attribute, draw.missing(attribute))
    return draw.head(draw.thing(), 0.64, 0.36)


def attribute(draw: Proposer, absent: bool) -> Program:
    """Colour, size, pattern or some of them, of a kind, a family or anything."""
    rng = draw.rng
    thing = draw.thing()
    other = pick(rng, draw.things) if absent else thing
    program = draw.head(thing, 0.45, 0.2)
    choice = rng.random()
    if choice < 0.3:
        program = Filter(program, "size", other.size)
    if 0.2 < choice < 0.4 or choice > 0.85:
        pattern = draw.missing("pattern") if absent and chance(rng, 0.25) else other.pattern
        program = Filter(program, "pattern", pattern)
    if choice < 0.2 or choice > 0.4:
        color = draw.missing("color") if absent and chance(rng, 0.25) else other.color
        program = Filter(program, "color", color)
    return program


def spatial(draw: Proposer, absent: bool) -> Program:
    """Beside, above, between or nearest to other things, on a shelf, or in one half of the picture."""
    rng = draw.rng
    source = draw.head(draw.thing(), 0.4, 0.25)
    if not isinstance(source, All) and chance(rng, 0.1):
        source = Filter(source, "color", pick(rng, draw.things).color)
    choice = rng.random()
    if draw.shelves and choice < 0.3:
        return OnShelf(source, pick(rng, SHELVES))
    if absent and choice < 0.04:
        return OnShelf(source, pick(rng, SHELVES))
    if choice < 0.5:
        return Position(source, pick(rng, SIDES))
    if choice < 0.62:
        return Nearest(source, draw.anchor(absent))
    if choice < 0.74:
        return Between(source, draw.anchor(absent), draw.anchor(False))
    return Relate(source, pick(rng, RELATIONS), draw.anchor(absent))


def comparison(draw: Proposer, absent: bool) -> Program:
    """Of the same colour as, larger than."""
    rng = draw.rng
    source = draw.head(draw.thing(), 0.3, 0.2)
    if chance(rng, 0.4):
        return Compare(source, pick(rng, COMPARISONS), draw.anchor(absent, ("size",)))
    same = pick(rng, ("color", "color", "color", "pattern", "size", "kind", "kind"))
    if same == "kind":
        source = Filter(All(), "color", draw.thing().color) if chance(rng, 0.3) else All()
        # "The same kind of thing as the mug" would name the answer.
        return Same(source, same, draw.unique(("kind",)) or Filter(All(), "color", draw.missing("color")))
    return Same(source, same, draw.anchor(absent, (same,)))


def knowledge(draw: Proposer, absent: bool) -> Program:
    """What things are for and what they can do, of a colour or a family now and then."""
    rng = draw.rng
    thing = draw.thing()
    present = {one.kind for one in draw.things}
    suited = [name for name, function in FUNCTIONS.items() if thing.kind in function.kinds]
    if absent and chance(rng, 0.75):
        unsuited = [name for name, one in FUNCTIONS.items() if not present & {*one.kinds, *one.disputed}]
        return Filter(All(), "function", pick(rng, unsuited or tuple(FUNCTIONS)))
    function = pick(rng, suited or tuple(FUNCTIONS))
    source: Program = All()
    mixed = not set(FAMILIES[thing.family]) <= set(FUNCTIONS[function].kinds)
    if mixed and thing.family not in DISPUTED_FAMILY and chance(rng, 0.15):
        source = Filter(source, "family", thing.family)
    if absent or chance(rng, 0.2):
        attribute = draw.adjective()
        source = Filter(source, attribute, getattr(pick(rng, draw.things) if absent else thing, attribute))
    return Filter(source, "function", function)


def counting(draw: Proposer, absent: bool) -> Program:
    """All of a number of things; with `absent` the number is wrong, or there are none."""
    rng = draw.rng
    thing = draw.thing()
    source = draw.head(thing, 0.7, 0.3)
    if chance(rng, 0.3):
        attribute = draw.adjective()
        source = Filter(source if chance(rng, 0.7) else All(), attribute, getattr(thing, attribute))
    words, _ = filters_of(source)
    number = sum(all(getattr(one, name) == value for name, value in words.items()) for one in draw.things)
    if not absent:
        return Counted(source, max(2, min(number, len(NUMBERS))))
    if chance(rng, 0.25):
        return Counted(Filter(All(), "kind", draw.missing("kind")), int(rng.integers(2, 5)))
    wrong = [count for count in range(2, len(NUMBERS) + 1) if 0 < abs(count - number) <= 2]
    return Counted(source, pick(rng, wrong))


def ordinal(draw: Proposer, absent: bool) -> Program:
    """Leftmost, second from the right, the two largest."""
    rng = draw.rng
    source = draw.crowd()
    if absent:
        if chance(rng, 0.4):
            source = Filter(All(), "kind", draw.missing("kind"))
        else:
            return Ordinal(source, pick(rng, SIDES), int(rng.integers(3, _MAX_ORDINAL + 1)))
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
    thing, other = draw.thing(), pick(rng, draw.things)
    choice = rng.random()
    if choice < 0.3:
        if absent:
            gone = Filter(All(), "kind", draw.missing("kind"))
            return Either(gone, Filter(draw.head(thing, 0.8, 0.2), "color", other.color))
        return Either(draw.named(thing), draw.named(other))
    if choice < 0.5:
        source = draw.head(thing, 0.3, 0.3)
        one, two = pick(rng, (("size", "color"), ("size", "pattern"), ("pattern", "color")))
        second = getattr(other if absent else thing, two)
        return Both(Filter(source, one, getattr(thing, one)), Filter(source, two, second))
    source = draw.head(thing, 0.35, 0.4)
    if choice < 0.6:
        return Both(_place(draw, source, ("left", "right")), _place(draw, source, ("top", "bottom")))
    if choice < 0.85:
        attribute = draw.adjective()
        return Difference(source, Filter(source, attribute, getattr(thing if absent else other, attribute)))
    if isinstance(source, All):
        return Difference(source, draw.named(other))
    return Difference(source, Extreme(source, pick(rng, SIDES)))


def _place(draw: Proposer, source: Program, sides: tuple[str, str]) -> Program:
    side = pick(draw.rng, sides)
    if chance(draw.rng, 0.3):
        return Position(source, side)
    relation = {"left": "left_of", "right": "right_of", "top": "above", "bottom": "below"}[side]
    return Relate(source, relation, draw.anchor(False))


PROPOSALS: dict[str, Callable[[Proposer, bool], Program]] = {
    "category": category,
    "attribute": attribute,
    "spatial": spatial,
    "ordinal": ordinal,
    "comparison": comparison,
    "logic": logic,
    "knowledge": knowledge,
    "counting": counting,
}
