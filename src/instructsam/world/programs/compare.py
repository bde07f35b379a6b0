"""Operation "compare": larger or smaller than one other object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.language.chance import pick
from instructsam.world.language.lexicon import COMPARE_WORDS
from instructsam.world.language.speaker import Speaker
from instructsam.world.programs.measures import AREA_RATIO, looks_shorter
from instructsam.world.programs.modified import Modified, has_others
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import AmbiguousProgramError, Program
from instructsam.world.programs.proposer import Proposer

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

COMPARISONS = ("larger", "smaller")


@dataclass(frozen=True)
class Compare(Modified):
    """The objects of `source` that are `comparison` (one of `COMPARISONS`) than the one `anchor`."""

    comparison: str
    anchor: Program

    def select(self, facts: Facts) -> list[ObjectFact]:
        source, anchor = self.source.select(facts), self.anchor.single(facts)
        if anchor is None:
            return []
        others = [fact for fact in source if fact.index != anchor.index]
        larger = self.comparison == "larger"
        return [fact for fact in others if _is_larger(fact, anchor, facts.aspect) == larger]

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return has_others(self.source, self.anchor, facts)

    def modifier_phrase(self) -> str:
        return f"{self.comparison} than {self.anchor.phrase()}"

    def modifier(self, speaker: Speaker) -> str:
        return f"{pick(speaker.rng, COMPARE_WORDS[self.comparison])} {self.anchor.the_one(speaker)}"


def _is_larger(fact: ObjectFact, anchor: ObjectFact, aspect: float) -> bool:
    """Whether the object is larger than the anchor, or smaller: by area, which its length must not contradict.

    Raises:
        AmbiguousProgramError: almost the same area, or smaller by area and yet longer.
    """
    if fact.area * fact.visible >= AREA_RATIO * anchor.area:
        large, small = fact, anchor
    elif anchor.area * anchor.visible >= AREA_RATIO * fact.area:
        large, small = anchor, fact
    else:
        raise AmbiguousProgramError(f"objects {fact.index} and {anchor.index} are of almost the same area")
    if looks_shorter(large, small, aspect):
        raise AmbiguousProgramError(f"of objects {fact.index} and {anchor.index} the smaller one is longer")
    return large is fact


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    return Compare(subject.source, pick(draw.rng, COMPARISONS), draw.anchor(absent, ("size",)))


OPERATION = Operation(
    Compare,
    (Proposal("comparison", 0.4, _propose),),
    choices={"comparison": COMPARISONS},
    swaps={"comparison": ({name: (name,) for name in COMPARISONS},)},
)
