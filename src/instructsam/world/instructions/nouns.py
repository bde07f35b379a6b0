"""Bare noun phrases as instructions: a curriculum for a detector that cannot match words to objects yet.

"red object" is easier than "mug", and "small purple key" needs both. Trained in this order they take minutes; trained
together with all instructions the loss stays flat for long (docs/experiments.md).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from instructsam.world.instructions.choosing import names_held_out
from instructsam.world.instructions.generate import NO_TARGET_SHARE
from instructsam.world.instructions.instruction import Instruction, PhraseAnswer
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.program import Program
from instructsam.world.scenes.facts import Facts
from instructsam.world.scenes.scene import COLORS, FAMILIES, KINDS, PATTERNS, SIZES

Nouns = Literal["", "colors", "kinds", "all"]


def noun_phrases(facts: Facts, rng: np.random.Generator, count: int, nouns: Nouns) -> list[Instruction]:
    """Up to `count` different noun phrases about a scene, some of them without target.

    Args:
        facts: the scene.
        rng: source of every choice.
        count: the largest number; a scene with few objects has fewer phrases.
        nouns: "colors" ("red object"), "kinds" (colours and "mug"), or "all" (also
            "small red mug", "striped object", "dotted blue mug" and the like).
    """
    programs = candidates(facts, nouns)
    order = [programs[int(i)] for i in rng.permutation(len(programs))]
    answers = {program: program.answer(facts) for program in order}  # None where people would disagree
    absent = [program for program in order if answers[program] == () and not names_held_out(program)]
    present = [program for program in order if answers[program]]
    chosen: list[Program] = []
    while len(chosen) < count and (present or absent):
        use_absent = bool(absent) and (not present or rng.random() < NO_TARGET_SHARE)
        chosen.append((absent if use_absent else present).pop())
    return [instruction(program, facts) for program in chosen]


def candidates(facts: Facts, nouns: Nouns) -> list[Program]:
    """Every phrase of the level; with "all" also combinations of attributes that occur in the scene, or could."""
    programs: list[Program] = [Filter(All(), "color", color) for color in COLORS]
    if nouns != "colors":
        programs += [Filter(All(), "kind", kind) for kind in KINDS]
    if nouns == "all":
        seen = facts.seen.objects
        pairs = {(one.kind, other.color) for one in seen for other in seen}
        programs += [Filter(Filter(All(), "kind", kind), "color", color) for kind, color in sorted(pairs)]
        programs += [
            Filter(Filter(Filter(All(), "kind", kind), "color", color), "size", size)
            for kind, color, size in sorted({(one.kind, one.color, size) for one in seen for size in SIZES})
        ]
        programs += [Filter(All(), "family", family) for family in FAMILIES]
        programs += [Filter(All(), "pattern", pattern) for pattern in PATTERNS]
        programs += [
            Filter(Filter(All(), "kind", kind), "pattern", pattern)
            for kind, pattern in sorted({(one.kind, pattern) for one in seen for pattern in PATTERNS})
        ]
        programs += [
            Filter(Filter(Filter(All(), "kind", kind), "color", color), "pattern", pattern)
            for kind, color, pattern in sorted({(one.kind, one.color, one.pattern) for one in seen})
        ]
    return programs


def instruction(program: Program, facts: Facts) -> Instruction:
    """The program's own phrase as an instruction."""
    phrase = program.phrase()
    found = program.answer(facts) or ()
    return Instruction(
        text=phrase,
        phrases=(PhraseAnswer(phrase, found),),
        family="attribute" if "color" in str(program.to_dict()) else "category",
        template="{phrase}",
        program={"phrases": [program.to_dict()]},
    )
