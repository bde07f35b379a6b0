"""Family "multi": two or three phrases in one instruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instructsam.world.instructions.choosing import Answered, choose
from instructsam.world.language.chance import chance, pick
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.program import Program

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.language.speaker import Speaker
    from instructsam.world.scenes.facts import Facts

GROUPS = ("first", "second", "third")
"""The slots of a template for several phrases."""
MIXED_SHARE = 0.12  # of the instructions with several phrases: one of them has no target
TRIES = 4
_FAMILIES = ("category", "category", "attribute", "attribute", "ordinal", "spatial", "knowledge")


def choose_groups(rng: np.random.Generator, facts: Facts, wanted: str) -> list[Answered]:
    """Two or three programs with different phrases and disjoint answers; empty if the scene has none.

    "none" leaves all of them without target; otherwise one of them sometimes has none.
    """
    number = 3 if chance(rng, 0.25) else 2
    empty = set(range(number)) if wanted == "none" else set[int]()
    if not empty and chance(rng, MIXED_SHARE):
        empty = {int(rng.integers(number))}
    groups: list[Answered] = []
    taken: set[int] = set()
    for position in range(number):
        for _ in range(TRIES):
            family = pick(rng, _FAMILIES)
            size = "none" if position in empty else "one" if chance(rng, 0.5) else "many"
            chosen = choose(rng, facts, family, size)
            if chosen and not taken & set(chosen[1]) and _is_new(chosen[0], groups):
                groups.append(chosen)
                taken |= set(chosen[1])
                break
    return groups if len(groups) >= 2 else []


def _is_new(program: Program, groups: list[Answered]) -> bool:
    return all(program.phrase() != other.phrase() for other, _ in groups)


def group_slots(speaker: Speaker, programs: list[Program]) -> dict[str, str]:
    """The words of each group: {first}, {first_bare}, {first_is}, {first_a}, and so on."""
    slots: dict[str, str] = {}
    for name, program in zip(GROUPS, programs, strict=False):
        phrase = program.noun_phrase(
            speaker, program.is_plural(speaker) if isinstance(program, Filter) else None
        )
        words = phrase.slots()
        slots |= {name: words["the"], f"{name}_bare": words["bare"], f"{name}_is": words["is"]}
        if "a" in words:
            slots[f"{name}_a"] = words["a"]
    return slots
