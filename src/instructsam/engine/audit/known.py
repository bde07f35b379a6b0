"""Instructions of the drawn world as candidates of the engine: kinds, numbers, and other wordings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from instructsam.engine.candidates import Candidate, CandidatePhrase, Kind
from instructsam.world.instructions.generate import instructions_about
from instructsam.world.instructions.instruction import Instruction
from instructsam.world.instructions.negatives import SOURCE_FAMILIES, one_word_away
from instructsam.world.instructions.wording import fill_template
from instructsam.world.language.chance import pick
from instructsam.world.language.speaker import Speaker
from instructsam.world.programs.operations import from_dict
from instructsam.world.scenes.facts import Facts

KIND_OF: Mapping[str, Kind] = MappingProxyType(
    {
        "category": "category",
        "attribute": "attribute",
        "logic": "attribute",  # combined properties: and, or, not, except
        "spatial": "relation",
        "ordinal": "order",
        "comparison": "comparison",
        "knowledge": "knowledge",
        "counting": "counting",
        "multi": "several",
        "chatty": "long",
    }
)
"""Family of the world's instructions -> kind. One without target is "absent", a hard negative "near_miss"."""
INSTRUCTIONS = 40  # about a scene; more than a proposer needs, so that a revision finds another one
NEAR_MISSES = 5
WORDINGS = 2  # other ones of an instruction
LEAK = re.compile(r" \(mask \d+\)$")
"""The end of an instruction that names a mark."""
Mistake = Literal["", "leak", "missing", "too many", "swapped", "groups", "target"]
"""The mistake of a candidate; "" for a right one. "groups": the right objects in wrong phrases; "target": something is
meant, and the candidate claims that nothing is."""
_SPLIT = "val"  # of the wordings; those of "train" have typing errors


@dataclass(frozen=True)
class KnownInstruction:
    """An instruction with its answer.

    Attributes:
        phrases: with the numbers of a row.
        source: in the world.
    """

    kind: Kind
    text: str
    phrases: tuple[CandidatePhrase, ...]
    source: Instruction

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of all phrases, ascending."""
        return tuple(sorted(number for phrase in self.phrases for number in phrase.numbers))


def known_instructions(facts: Facts, seed: int, numbers: Mapping[int, int]) -> tuple[KnownInstruction, ...]:
    """Instructions about a scene: the same ones for the same seed.

    Args:
        facts: the scene.
        seed: of the choice.
        numbers: index of an object -> its number.
    """
    rng = np.random.default_rng([seed, INSTRUCTIONS])
    found = instructions_about(facts, rng, INSTRUCTIONS, _SPLIT)
    near = _near_misses(facts, rng, found)
    known = [_known(instruction, numbers) for instruction in (*found, *near)]
    # A phrase of several without objects is refused as a proposal.
    return tuple(one for one in known if not one.numbers or all(phrase.numbers for phrase in one.phrases))


def _near_misses(facts: Facts, rng: np.random.Generator, found: list[Instruction]) -> list[Instruction]:
    made: dict[str, Instruction] = {}
    for original in found:
        if len(made) < NEAR_MISSES and original.phrases[0].instances and original.family in SOURCE_FAMILIES:
            changed = [edit for _, _, edit in one_word_away(original, facts)]
            if changed:
                edit = pick(rng, changed)
                made[edit.text] = edit
    texts = {original.text for original in found}
    return [edit for text, edit in made.items() if text not in texts]


def _known(instruction: Instruction, numbers: Mapping[int, int]) -> KnownInstruction:
    phrases = tuple(
        CandidatePhrase(phrase.text, tuple(sorted(numbers[index] for index in phrase.instances)))
        for phrase in instruction.phrases
    )
    kind: Kind = KIND_OF[instruction.family]
    if not any(phrase.numbers for phrase in phrases):
        kind = "near_miss" if instruction.original else "absent"
    return KnownInstruction(kind, instruction.text, phrases, instruction)


def leaking(text: str, number: int) -> str:
    """The instruction with a leak that `LEAK` finds."""
    return f"{text} (mask {number})"


def mistake_of(candidate: Candidate, known: KnownInstruction) -> Mistake:
    """The mistake of a candidate whose instruction is known."""
    claimed, meant = set(candidate.numbers), set(known.numbers)
    if LEAK.search(candidate.instruction):
        return "leak"
    if [phrase.numbers for phrase in candidate.phrases] == [phrase.numbers for phrase in known.phrases]:
        return ""
    if claimed == meant:
        return "groups"
    if not claimed:
        return "target"
    return "missing" if claimed < meant else "too many" if claimed > meant else "swapped"


def reworded(known: KnownInstruction, facts: Facts, rng: np.random.Generator) -> tuple[str, ...]:
    """Up to `WORDINGS` other wordings; none for several groups and for long instructions."""
    if known.source.family not in SOURCE_FAMILIES:
        return ()
    program = from_dict(known.source.program["phrases"][0])
    texts: dict[str, None] = {}
    for _ in range(3 * WORDINGS):
        filled = fill_template(rng, known.source.family, program.slots(Speaker(rng, facts)), _SPLIT)
        if filled is not None and filled[1] != known.text and len(texts) < WORDINGS:
            texts[filled[1]] = None
    return tuple(texts)
