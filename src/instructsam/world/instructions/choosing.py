"""Which proposed programs are worth asking: a clear answer of the wanted size, and not a silly question."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from instructsam.world.instructions.candidates import PROPOSALS, Proposer
from instructsam.world.language.phrases import filters_of, negates_attribute
from instructsam.world.language.wording import chance
from instructsam.world.programs.execute import answer
from instructsam.world.programs.program import (
    All,
    Between,
    Both,
    Compare,
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
from instructsam.world.scenes.pairs import HELD_OUT_PAIRS

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.programs.facts import Facts

MAX_TARGETS = 8
TRIES = 30
TRIVIAL_SHARE = 0.3  # of the programs that a shorter one would answer just as well


def choose(
    rng: np.random.Generator,
    facts: Facts,
    family: str,
    wanted: str,
    focus: frozenset[int] = frozenset(),
) -> tuple[Program, tuple[int, ...]] | None:
    """A program of the family with its answer, or None after `TRIES` proposals.

    `wanted` is "none", "one" or "many"; a program of another size is kept in reserve for "one" and "many".
    Where objects are in `focus`, one of them is among the targets.
    """
    draw = Proposer(rng, facts, focus)
    reserve = None
    if not draw.things and (family != "category" or wanted != "none"):
        return None
    for _ in range(TRIES):
        program = PROPOSALS[family](draw, wanted == "none")
        found = answer(program, facts)
        if found is None or len(found) > MAX_TARGETS or (wanted == "none") != (not found):
            continue
        if names_held_out(program) and (not found or not _shows_held_out(facts)):
            continue
        if found and focus and focus.isdisjoint(found):
            continue
        if not _sensible(program, facts, found):
            continue
        if found and _trivial(program, facts, found) and not chance(rng, TRIVIAL_SHARE):
            continue
        if wanted == "none" or (wanted == "one") == (len(found) == 1):
            return program, found
        reserve = (program, found)
    return reserve


def names_held_out(program: Program) -> bool:
    """Whether a part of it names a held-out pair of kind and colour.

    Asked for where it is absent, "purple apple" would be taught as something that never exists.
    """
    words, base = filters_of(program)
    if (words.get("kind"), words.get("color")) in HELD_OUT_PAIRS:
        return True
    values = (getattr(base, field.name) for field in fields(base))
    return any(names_held_out(value) for value in values if not isinstance(value, str | int))


def _shows_held_out(facts: Facts) -> bool:
    return any((fact.kind, fact.color) in HELD_OUT_PAIRS for fact in facts.objects)


def _sensible(program: Program, facts: Facts, found: tuple[int, ...]) -> bool:
    """Whether a person could ask this about the scene."""
    match program:
        case Same(_, "pattern", anchor) if any(
            facts.objects[index].pattern == "plain" for index in answer(anchor, facts) or ()
        ):
            return False  # nobody calls two plain things patterned alike
        case Relate(source, _, anchor) | Same(source, _, anchor) | Compare(source, _, anchor):
            others = set(answer(source, facts) or ()) - set(answer(anchor, facts) or ())
            return bool(others) or not answer(anchor, facts)
        case Nearest(source, anchor):
            others = set(answer(source, facts) or ()) - set(answer(anchor, facts) or ())
            return len(others) >= 2 or not found
        case Between(source, first, second):
            return first != second and bool(answer(source, facts))
        case Position(source) | OnShelf(source):
            return bool(answer(source, facts))
        case Ordinal(source, _, nth):
            members = len(answer(source, facts) or ())
            return members >= 2 if found else nth <= members + 2
        case Extreme(source, _, count) | Superlative(source, _, count):
            return not found or len(answer(source, facts) or ()) > count
        case Either(first, second):
            left, right = set(answer(first, facts) or ()), set(answer(second, facts) or ())
            return not found or not (left <= right or right <= left)
        case Difference(source, removed):
            before, gone = set(answer(source, facts) or ()), set(answer(removed, facts) or ())
            return bool(before & gone) and (len(before) >= 2 or negates_attribute(program))
        case Both(first, second):
            if isinstance(first, Filter):
                return True
            one, other = answer(first, facts), answer(second, facts)
            return bool(one) and bool(other) and (not found or one != other)
        case _:
            return True


def _trivial(program: Program, facts: Facts, found: tuple[int, ...]) -> bool:
    """Whether the modifier changes nothing: all mugs are red, or nothing but mugs is there."""
    match program:
        case Filter(source) | Relate(source) | Position(source) | OnShelf(source):
            return answer(source, facts) == found and not isinstance(program, All)
        case Both(Filter(source)):
            return answer(source, facts) == found
        case _:
            return False
