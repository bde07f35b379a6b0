"""Operation "nearest": the object nearest to one other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instructsam.world.language.chance import pick
from instructsam.world.language.lexicon import NEAREST_WORDS
from instructsam.world.language.speaker import NounPhrase, Speaker
from instructsam.world.programs.measures import distance, gap
from instructsam.world.programs.modified import Modified
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import AmbiguousProgramError, Program, Slots
from instructsam.world.programs.proposer import Proposer

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

NEARER_RATIO, NEARER_GAP = 1.3, 0.03  # the runner-up must be this much further, by centre and by edge


@dataclass(frozen=True)
class Nearest(Modified):
    """The one object of `source` that is nearest to the one object of `anchor`."""

    anchor: Program

    links = ("", "", "that {is} ")

    def select(self, facts: Facts) -> list[ObjectFact]:
        source, anchor = self.source.select(facts), self.anchor.single(facts)
        others = [] if anchor is None else [fact for fact in source if fact.index != anchor.index]
        if anchor is None or not others:
            return []
        ranked = sorted(others, key=lambda fact: distance(fact, anchor, facts.aspect))
        best = ranked[0]
        reach = NEARER_RATIO * distance(best, anchor, facts.aspect)
        edge = gap(best, anchor, facts.aspect) + NEARER_GAP
        for other in ranked[1:]:
            if distance(other, anchor, facts.aspect) < reach or gap(other, anchor, facts.aspect) < edge:
                raise AmbiguousProgramError(f"objects {best.index} and {other.index} are almost equally near")
        return [best]

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return not found or len(self.source.members(facts) - self.anchor.members(facts)) >= 2

    def modifier_phrase(self) -> str:
        return f"nearest {self.anchor.phrase()}"

    def modifier(self, speaker: Speaker) -> str:
        return f"{pick(speaker.rng, NEAREST_WORDS)} {self.anchor.the_one(speaker)}"

    def noun_phrase(
        self, speaker: Speaker, many: bool | None = None, *, countable: bool = False
    ) -> NounPhrase:
        inner = self.source.noun_phrase(speaker, False, countable=True)
        link = pick(speaker.rng, self.links)
        return replace(inner, after=link + self.modifier(speaker), definite=True)

    def slots(self, speaker: Speaker) -> Slots:
        phrase = self.noun_phrase(speaker)
        head = self.source.noun_phrase(speaker, False, countable=True)
        slots = {**phrase.slots(), "head": head.bare(), "mod": self.modifier(speaker)}
        return slots | {"heads": head.bare(many=True)}


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    return Nearest(subject.source, draw.anchor(absent))


OPERATION = Operation(Nearest, (Proposal("spatial", 0.12, _propose),))
