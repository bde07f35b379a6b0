"""Instructions about a scene: a program, words for it, and the phrase and instances of each group."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from instructsam.world.instructions import chatty
from instructsam.world.instructions.choosing import MAX_TARGETS, Answered, choose
from instructsam.world.instructions.families import shares_of
from instructsam.world.instructions.groups import choose_groups, group_slots
from instructsam.world.instructions.instruction import Instruction, PhraseAnswer
from instructsam.world.instructions.wording import fill_template
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.speaker import Speaker
from instructsam.world.language.typos import with_typo
from instructsam.world.programs.all_objects import All

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.scenes.facts import Facts

NO_FACTORS: Mapping[str, float] = MappingProxyType({})
NO_TARGET_SHARE = 0.15
# Fewer scenes have targets for these, so that more of the accepted instructions would be empty.
_NO_TARGET_SHARES = {"counting": 0.11, "ordinal": 0.13, "knowledge": 0.135}
ONE_TARGET_SHARE = 0.45
EVERYTHING_SHARE = 0.16  # of the category instructions that want several targets
FAMILY_TRIES = 8
TYPO_SPLIT, TYPO_SHARE = "train", 0.02  # only training text has typos: a benchmark's answer must be certain


def instructions_about(
    facts: Facts,
    rng: np.random.Generator,
    count: int,
    split: str = "train",
    families: tuple[str, ...] = (),
    focus: frozenset[int] = frozenset(),
    factors: Mapping[str, float] = NO_FACTORS,
) -> list[Instruction]:
    """`count` instructions with different texts, deterministic in `rng`.

    A family that the scene has nothing for is replaced by another, finally by an absent kind.

    Args:
        facts: the scene.
        rng: source of every choice.
        count: number of instructions.
        split: "unseen_wording" uses only the held-out templates, every other split only the rest.
        families: the only ones, in their usual proportion; empty for all.
        focus: objects, one of which is among the targets of every instruction with targets; empty for any.
        factors: change the proportion of the families, see `shares_of`.
    """
    chosen = shares_of(families, factors)
    names, shares = list(chosen), list(chosen.values())
    found: dict[str, Instruction] = {}
    impossible: set[tuple[str, str]] = set()  # families and sizes for which this scene has offered nothing
    draws = 0
    while len(found) < count:
        family = names[int(rng.choice(len(names), p=shares))]
        wanted = _wanted(rng, family)
        draws += 1
        if draws > 6 * count:
            family, wanted = "category", "none"
        elif (family, wanted) in impossible:
            continue
        for _ in range(FAMILY_TRIES):
            made = _instruction(rng, facts, family, wanted, split, focus)
            if made is not None and made.text not in found:
                found[made.text] = made
                break
        else:
            impossible.add((family, wanted))
    return list(found.values())


def _wanted(rng: np.random.Generator, family: str) -> str:
    if chance(rng, _NO_TARGET_SHARES.get(family, NO_TARGET_SHARE)):
        return "none"
    return "one" if chance(rng, ONE_TARGET_SHARE) else "many"


def _instruction(
    rng: np.random.Generator, facts: Facts, family: str, wanted: str, split: str, focus: frozenset[int]
) -> Instruction | None:
    """One instruction of the family, or None if this try has failed."""
    table, groups, slots = _content(rng, facts, family, wanted, focus)
    targets = {index for _, found in groups for index in found}
    if not groups or (targets and focus and focus.isdisjoint(targets)):
        return None
    filled = fill_template(rng, table, slots, split)
    if filled is None:
        return None
    template, text = filled
    if split == TYPO_SPLIT and chance(rng, TYPO_SHARE):
        text = with_typo(rng, text)
    return Instruction(
        text=text,
        phrases=tuple(PhraseAnswer(program.phrase(), found) for program, found in groups),
        family=family,
        template=template,
        program={"phrases": [program.to_dict() for program, _ in groups]},
    )


def _content(
    rng: np.random.Generator, facts: Facts, family: str, wanted: str, focus: frozenset[int]
) -> tuple[str, list[Answered], dict[str, str]]:
    """The table of templates, the programs with their answers (empty if there are none), and the words of the slots."""
    speaker = Speaker(rng, facts)
    if family == "multi":
        groups = choose_groups(rng, facts, wanted)
        return family, groups, group_slots(speaker, [program for program, _ in groups])
    if family == "category" and wanted == "many" and chance(rng, EVERYTHING_SHARE):
        found = All().answer(facts)
        return "everything", [(All(), found)] if found and len(found) <= MAX_TARGETS else [], {}
    chosen = choose(rng, facts, pick(rng, chatty.FAMILIES) if family == "chatty" else family, wanted, focus)
    if chosen is None:
        return family, [], {}
    slots = chatty.chatty_slots(speaker, *chosen) if family == "chatty" else chosen[0].slots(speaker)
    return family, [chosen], slots
