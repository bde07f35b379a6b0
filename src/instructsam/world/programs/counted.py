"""Operation "counted": all three apples, if there are three."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instructsam.world.language.chance import chance, pick
from instructsam.world.language.lexicon import COUNT_SWAPS, NUMBERS
from instructsam.world.language.speaker import NounPhrase, Speaker
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.filter import Filter, filters_of
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import Program, Slots
from instructsam.world.programs.proposer import Proposer

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact


@dataclass(frozen=True)
class Counted(Program):
    """The objects of `source` if there are exactly `count`, else none: the premise is false."""

    source: Program
    count: int

    def select(self, facts: Facts) -> list[ObjectFact]:
        source = self.source.select(facts)
        return source if len(source) == self.count else []

    def phrase(self, many: bool | None = None) -> str:
        plural = self.count > 1 if many is None else many
        return f"{NUMBERS[self.count - 1]} {self.source.phrase(plural)}"

    def noun_phrase(
        self, speaker: Speaker, many: bool | None = None, *, countable: bool = False
    ) -> NounPhrase:
        inner = self.source.noun_phrase(speaker, self.count > 1, countable=True)
        return replace(inner, before=speaker.number(self.count))

    def slots(self, speaker: Speaker) -> Slots:
        head = self.source.noun_phrase(speaker, self.count > 1, countable=True)
        number = speaker.number(self.count)
        if self.count == 1:
            every = f"the only {head.bare()}"
        elif self.count == 2:
            every = pick(speaker.rng, ("both {}", "both of the {}", "both the {}")).format(head.bare())
        else:
            every = pick(speaker.rng, ("all {n} {}", "all {n} of the {}")).format(head.bare(), n=number)
        the_count = f"the {number if self.count > 1 else 'one'} {head.bare()}"
        return {
            "count": number,
            "head": head.bare(many=False),
            "heads": head.bare(many=True),
            "is": head.verb,
            "them": head.them,
            "the": the_count,
            "the_count": the_count,
            "all_count": every,
        }


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    """The right number; with `absent` a wrong one, or a kind that does not occur."""
    words, _ = filters_of(subject.source)
    number = sum(all(getattr(one, name) == value for name, value in words.items()) for one in draw.things)
    if not absent:
        return Counted(subject.source, max(2, min(number, len(NUMBERS))))
    if chance(draw.rng, 0.25):
        return Counted(Filter(All(), "kind", draw.missing("kind")), int(draw.rng.integers(2, 5)))
    wrong = [count for count in range(2, len(NUMBERS) + 1) if 0 < abs(count - number) <= 2]
    return Counted(subject.source, pick(draw.rng, wrong))


OPERATION = Operation(Counted, (Proposal("counting", 1.0, _propose),), swaps={"count": COUNT_SWAPS})
