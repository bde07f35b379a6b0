"""The families of instructions: how often each is tried, and how a program of each is proposed.

A proposal may be ambiguous or of another number of targets; `choosing.choose` checks that. With `absent`, programs
look answerable and have no target: an absent kind, a combination that does not occur, a false relation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from instructsam.errors import ConfigError
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.knowledge import DISPUTED_FAMILY, FUNCTIONS
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.operation import Subject
from instructsam.world.programs.operations import propose
from instructsam.world.programs.ordinal import Ordinal
from instructsam.world.programs.program import Program
from instructsam.world.programs.proposer import Proposer
from instructsam.world.programs.sides import SIDES
from instructsam.world.scenes.scene import FAMILIES as OBJECT_FAMILIES

FAMILY_SHARES: dict[str, float] = {
    "category": 0.13,
    "attribute": 0.15,
    "spatial": 0.14,
    "ordinal": 0.12,
    "comparison": 0.09,
    "logic": 0.11,
    "knowledge": 0.08,
    "counting": 0.06,
    "multi": 0.07,
    "chatty": 0.05,
}
"""Family -> how often it is tried. "multi" and "chatty" are made from programs of the others."""
MAX_ORDINAL = 6  # of an instruction without target


def shares_of(families: tuple[str, ...], factors: Mapping[str, float]) -> dict[str, float]:
    """How often each family is tried, in the order of `FAMILY_SHARES`; sums to 1.

    Args:
        families: the only ones; empty for all.
        factors: family -> factor on its share, 1 where it is missing; without effect on a family that is left out.

    Raises:
        ConfigError: a factor of no family, negative or not finite, or no family left.
    """
    for name, factor in factors.items():
        if name not in FAMILY_SHARES or not 0 <= factor < math.inf:
            raise ConfigError(
                f"family_shares takes a factor of at least 0 for some of {', '.join(FAMILY_SHARES)}, "
                f"got {name}: {factor}"
            )
    chosen = [name for name in FAMILY_SHARES if name in families or not families]
    shares = {name: FAMILY_SHARES[name] * factors.get(name, 1.0) for name in chosen}
    total = sum(shares.values())
    if chosen and not total > 0:
        raise ConfigError(
            f"family_shares must leave at least one family, got 0 for all of {', '.join(chosen)}; give one above 0"
        )
    return {name: share / total for name, share in shares.items()}


def _category(draw: Proposer, absent: bool) -> Program:
    """A kind or a family of objects."""
    if absent:
        attribute = "kind" if chance(draw.rng, 0.75) else "family"
        return Filter(All(), attribute, draw.missing(attribute))
    return draw.head(draw.thing(), 0.64, 0.36)


def _attribute(draw: Proposer, absent: bool) -> Program:
    """Colour, size, pattern or some of them, of a kind, a family or any object."""
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


def _spatial(draw: Proposer, absent: bool) -> Program | None:
    """Beside, above, between or nearest to other objects, on a shelf, or in one half of the picture."""
    thing = draw.thing()
    source = draw.head(thing, 0.4, 0.25)
    if not isinstance(source, All) and chance(draw.rng, 0.1):
        source = Filter(source, "color", pick(draw.rng, draw.things).color)
    return propose("spatial", draw, Subject(thing, thing, source), absent)


def _comparison(draw: Proposer, absent: bool) -> Program | None:
    """Of the same colour as another object, or larger."""
    thing = draw.thing()
    return propose("comparison", draw, Subject(thing, thing, draw.head(thing, 0.3, 0.2)), absent)


def _knowledge(draw: Proposer, absent: bool) -> Program:
    """The use or ability of objects, sometimes of a colour or a family."""
    rng = draw.rng
    thing = draw.thing()
    present = {one.kind for one in draw.things}
    suited = [name for name, function in FUNCTIONS.items() if thing.kind in function.kinds]
    if absent and chance(rng, 0.75):
        unsuited = [name for name, one in FUNCTIONS.items() if not present & {*one.kinds, *one.disputed}]
        return Filter(All(), "function", pick(rng, unsuited or tuple(FUNCTIONS)))
    function = pick(rng, suited or tuple(FUNCTIONS))
    source: Program = All()
    mixed = not set(OBJECT_FAMILIES[thing.family]) <= set(FUNCTIONS[function].kinds)
    if mixed and thing.family not in DISPUTED_FAMILY and chance(rng, 0.15):
        source = Filter(source, "family", thing.family)
    if absent or chance(rng, 0.2):
        attribute = draw.adjective()
        source = Filter(source, attribute, getattr(pick(rng, draw.things) if absent else thing, attribute))
    return Filter(source, "function", function)


def _counting(draw: Proposer, absent: bool) -> Program | None:
    """All of a number of objects; with `absent` the number is wrong, or there are none."""
    thing = draw.thing()
    source = draw.head(thing, 0.7, 0.3)
    if chance(draw.rng, 0.3):
        attribute = draw.adjective()
        value = getattr(thing, attribute)
        source = Filter(source if chance(draw.rng, 0.7) else All(), attribute, value)
    return propose("counting", draw, Subject(thing, thing, source), absent)


def _ordinal(draw: Proposer, absent: bool) -> Program | None:
    """Leftmost, second from the right, the two largest."""
    thing = draw.thing()
    source = draw.crowd(thing)
    if absent:
        if not chance(draw.rng, 0.4):
            return Ordinal(source, pick(draw.rng, SIDES), int(draw.rng.integers(3, MAX_ORDINAL + 1)))
        source = Filter(All(), "kind", draw.missing("kind"))
    return propose("ordinal", draw, Subject(thing, thing, source), absent)


def _logic(draw: Proposer, absent: bool) -> Program | None:
    """And, or, not, except."""
    thing, other = draw.thing(), pick(draw.rng, draw.things)
    return propose("logic", draw, Subject(thing, other, All()), absent)


FAMILIES: dict[str, Callable[[Proposer, bool], Program | None]] = {
    "category": _category,
    "attribute": _attribute,
    "spatial": _spatial,
    "ordinal": _ordinal,
    "comparison": _comparison,
    "logic": _logic,
    "knowledge": _knowledge,
    "counting": _counting,
}
"""Family -> (proposer, absent) -> program; None where the scene offers nothing for it."""
