"""Operation "relate": left of, right of, above or below one other object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.language.chance import pick
from instructsam.world.language.lexicon import RELATION_WORDS, Swaps
from instructsam.world.language.speaker import Speaker
from instructsam.world.programs.modified import PLACE, Modified, has_others
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import AmbiguousProgramError, Program
from instructsam.world.programs.proposer import Proposer
from instructsam.world.programs.sides import ORDER_MARGIN, along

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

RELATIONS = ("left_of", "right_of", "above", "below")
RELATION_SWAPS: tuple[Swaps, ...] = (
    {"left_of": ("left",), "right_of": ("right",)},
    {"above": ("above", "higher"), "below": ("below", "lower")},
)


@dataclass(frozen=True)
class Relate(Modified):
    """The objects of `source` that lie `relation` (one of `RELATIONS`) the one object of `anchor`."""

    relation: str
    anchor: Program

    links = PLACE

    def select(self, facts: Facts) -> list[ObjectFact]:
        source, anchor = self.source.select(facts), self.anchor.single(facts)
        if anchor is None:
            return []
        side = {"left_of": "left", "right_of": "right", "above": "top", "below": "bottom"}[self.relation]
        chosen = []
        for fact in source:
            gap = along(anchor, side) - along(fact, side)
            if fact.index == anchor.index:
                continue
            if abs(gap) < ORDER_MARGIN:
                raise AmbiguousProgramError(
                    f"{self.relation}? Objects {fact.index} and {anchor.index} are almost level"
                )
            if gap > 0:
                chosen.append(fact)
        return chosen

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return has_others(self.source, self.anchor, facts)

    def is_trivial(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return self.source.answer(facts) == found

    def modifier_phrase(self) -> str:
        return f"{self.relation.replace('_', ' ')} {self.anchor.phrase()}"

    def modifier(self, speaker: Speaker) -> str:
        return f"{pick(speaker.rng, RELATION_WORDS[self.relation])} {self.anchor.the_one(speaker)}"


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    return Relate(subject.source, pick(draw.rng, RELATIONS), draw.anchor(absent))


OPERATION = Operation(
    Relate,
    (Proposal("spatial", 0.26, _propose),),
    choices={"relation": RELATIONS},
    swaps={"relation": RELATION_SWAPS},
)
