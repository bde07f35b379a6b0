"""Operation "either": the red mugs and the balls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.language.chance import chance, pick
from instructsam.world.language.lexicon import indefinite
from instructsam.world.language.speaker import Speaker
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import Program, Slots
from instructsam.world.programs.proposer import Proposer

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact


@dataclass(frozen=True)
class Either(Program):
    """The objects of either."""

    first: Program
    second: Program

    def select(self, facts: Facts) -> list[ObjectFact]:
        chosen = {fact.index: fact for one in (self.first, self.second) for fact in one.select(facts)}
        return list(chosen.values())

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        left, right = self.first.members(facts), self.second.members(facts)
        return not found or not (left <= right or right <= left)

    def phrase(self, many: bool | None = None) -> str:
        return f"{self.first.phrase(many)} or {self.second.phrase(many)}"

    def slots(self, speaker: Speaker) -> Slots:
        first = self.first.noun_phrase(speaker, self.first.is_plural(speaker))
        second = self.second.noun_phrase(speaker, self.second.is_plural(speaker))
        joint = pick(speaker.rng, ("and", "and", "or"))
        slots = {
            "the": f"{first.the} {joint} {second.the}",
            "bare": f"{first.bare()} {joint} {second.bare()}",
            "is": "are" if joint == "and" else first.verb,
            "them": "them",
        }
        if first.noun == second.noun and first.adjectives != second.adjectives and chance(speaker.rng, 0.6):
            words = f"{first.adjectives} {joint} {second.adjectives} {first.noun.many}"
            slots |= {"the": f"the {words}", "bare": words, "is": "is" if first.noun.takes_is else "are"}
        ones = [indefinite(phrase.bare(many=False)) for phrase in (first, second)]
        slots["either"] = f"{ones[0]} or {ones[1]}"
        if not (first.noun.takes_is or second.noun.takes_is):
            slots["eithers"] = f"{first.bare(many=True)} or {second.bare(many=True)}"
        return slots


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    if absent:
        gone = Filter(All(), "kind", draw.missing("kind"))
        return Either(gone, Filter(draw.head(subject.thing, 0.8, 0.2), "color", subject.other.color))
    return Either(draw.named(subject.thing), draw.named(subject.other))


OPERATION = Operation(Either, (Proposal("logic", 0.3, _propose),))
