"""Operation "both": both small and red, or left of the bus and in the top half."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.language.chance import chance, pick
from instructsam.world.language.speaker import NounPhrase, Speaker
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.modified import head_slots, modified_noun, modified_slots
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.position import Position
from instructsam.world.programs.program import Program, Slots
from instructsam.world.programs.proposer import Proposer
from instructsam.world.programs.relate import Relate

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact


@dataclass(frozen=True)
class Both(Program):
    """The objects of both."""

    first: Program
    second: Program

    def select(self, facts: Facts) -> list[ObjectFact]:
        first = self.first.select(facts)
        other = {fact.index for fact in self.second.select(facts)}
        return [fact for fact in first if fact.index in other]

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        if isinstance(self.first, Filter):
            return True
        one, other = self.first.answer(facts), self.second.answer(facts)
        return bool(one) and bool(other) and (not found or one != other)

    def is_trivial(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return isinstance(self.first, Filter) and self.first.source.answer(facts) == found

    @property
    def head(self) -> Program:
        return self.first.head

    def chain(self) -> Program | None:
        """Two filters of one source as one chain of filters, else None."""
        first, second = self.first, self.second
        if isinstance(first, Filter) and isinstance(second, Filter) and first.source == second.source:
            return Filter(first, second.attribute, second.value)
        return None

    def phrase(self, many: bool | None = None) -> str:
        chain = self.chain()
        if chain:
            return chain.phrase(many)
        return f"{self.first.phrase(many)} and {self.second.modifier_phrase()}"

    def noun_phrase(
        self, speaker: Speaker, many: bool | None = None, *, countable: bool = False
    ) -> NounPhrase:
        return modified_noun(self, speaker, many)

    def modifier(self, speaker: Speaker) -> str:
        both = "both " if chance(speaker.rng, 0.5) else ""
        return f"{both}{self.first.modifier(speaker)} and {self.second.modifier(speaker)}"

    def slots(self, speaker: Speaker) -> Slots:
        if self.chain() is None:
            return modified_slots(self, speaker)
        slots = head_slots(self, speaker, self.is_plural_in_use(speaker))
        return slots | {"them": "them" if slots["is"] == "are" else "it"}


def _two_attributes(draw: Proposer, subject: Subject, absent: bool) -> Program:
    thing, other = subject.thing, subject.other
    source = draw.head(thing, 0.3, 0.3)
    one, two = pick(draw.rng, (("size", "color"), ("size", "pattern"), ("pattern", "color")))
    second = getattr(other if absent else thing, two)
    return Both(Filter(source, one, getattr(thing, one)), Filter(source, two, second))


def _two_places(draw: Proposer, subject: Subject, absent: bool) -> Program:
    source = draw.head(subject.thing, 0.35, 0.4)
    return Both(_place(draw, source, ("left", "right")), _place(draw, source, ("top", "bottom")))


def _place(draw: Proposer, source: Program, sides: tuple[str, str]) -> Program:
    side = pick(draw.rng, sides)
    if chance(draw.rng, 0.3):
        return Position(source, side)
    relation = {"left": "left_of", "right": "right_of", "top": "above", "bottom": "below"}[side]
    return Relate(source, relation, draw.anchor(False))


OPERATION = Operation(Both, (Proposal("logic", 0.2, _two_attributes), Proposal("logic", 0.1, _two_places)))
