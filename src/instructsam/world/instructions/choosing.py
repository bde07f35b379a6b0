"""Choosing among proposed programs: a clear answer of the wanted size, and one that a person could mean."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from instructsam.world.instructions.families import FAMILIES
from instructsam.world.language.chance import chance
from instructsam.world.programs.filter import filters_of
from instructsam.world.programs.program import Program
from instructsam.world.programs.proposer import Proposer
from instructsam.world.scenes.pairs import HELD_OUT_PAIRS

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.scenes.facts import Facts

MAX_TARGETS = 8
TRIES = 30
TRIVIAL_SHARE = 0.3  # of the programs that a shorter one would answer just as well
Answered = tuple[Program, tuple[int, ...]]
"""A program with its answer."""


def choose(
    rng: np.random.Generator,
    facts: Facts,
    family: str,
    wanted: str,
    focus: frozenset[int] = frozenset(),
) -> Answered | None:
    """A program of the family with its answer, or None after `TRIES` proposals.

    `wanted` is "none", "one" or "many"; a program of another size is kept in reserve for "one" and "many".
    Where objects are in `focus`, one of them is among the targets.
    """
    draw = Proposer(rng, facts, focus)
    reserve = None
    if not draw.things and (family != "category" or wanted != "none"):
        return None
    for _ in range(TRIES):
        program = FAMILIES[family](draw, wanted == "none")
        found = program.answer(facts) if program else None
        if program is None or found is None or len(found) > MAX_TARGETS or (wanted == "none") == bool(found):
            continue
        if names_held_out(program) and (not found or not _shows_held_out(facts)):
            continue
        if found and focus and focus.isdisjoint(found):
            continue
        if not is_worthwhile(program, facts, found, rng):
            continue
        if wanted == "none" or (wanted == "one") == (len(found) == 1):
            return program, found
        reserve = (program, found)
    return reserve


def is_worthwhile(program: Program, facts: Facts, found: tuple[int, ...], rng: np.random.Generator) -> bool:
    """Whether a person could say it, and a shorter program would not answer just as well (but for `TRIVIAL_SHARE`)."""
    if not program.is_sensible(facts, found):
        return False
    return not (found and program.is_trivial(facts, found)) or chance(rng, TRIVIAL_SHARE)


def names_held_out(program: Program) -> bool:
    """Whether a part of it names a held-out pair of kind and colour.

    In an instruction without target, "purple apple" would be taught as something that never exists.
    """
    words, base = filters_of(program)
    if (words.get("kind"), words.get("color")) in HELD_OUT_PAIRS:
        return True
    values = (getattr(base, field.name) for field in fields(base))
    return any(names_held_out(value) for value in values if isinstance(value, Program))


def _shows_held_out(facts: Facts) -> bool:
    return any((fact.kind, fact.color) in HELD_OUT_PAIRS for fact in facts.objects)
