"""Operation "superlative": the largest or the smallest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instructsam.world.language.chance import pick
from instructsam.world.language.lexicon import COUNT_SWAPS, EXTREME_WORDS
from instructsam.world.language.speaker import NounPhrase, Speaker
from instructsam.world.programs.measures import AREA_RATIO, looks_shorter
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import AmbiguousProgramError, Program, Slots
from instructsam.world.programs.proposer import Proposer
from instructsam.world.programs.ranked import Ranked, drawn_count, number_word, the_ones

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

EXTREMES = ("largest", "smallest")


@dataclass(frozen=True)
class Superlative(Ranked):
    """The `count` objects of `source` that are `extreme` (one of `EXTREMES`)."""

    extreme: str
    count: int = 1

    @property
    def wanted(self) -> int:
        return self.count

    def select(self, facts: Facts) -> list[ObjectFact]:
        """By area, provided that neither the visible part alone nor the length would give another order."""
        source = self.source.select(facts)
        if not source:
            return []
        if self.count > len(source):
            raise AmbiguousProgramError(f"expected at least {self.count} objects, got {len(source)}")
        ranked = sorted(source, key=lambda fact: fact.area, reverse=self.extreme == "largest")
        chosen, rest = ranked[: self.count], ranked[self.count :]
        large, small = (chosen, rest) if self.extreme == "largest" else (rest, chosen)
        if rest and min(f.area * f.visible for f in large) < AREA_RATIO * max(f.area for f in small):
            raise AmbiguousProgramError(f"two objects are of almost the same area: {self.extreme}?")
        if any(looks_shorter(one, other, facts.aspect) for one in large for other in small):
            raise AmbiguousProgramError(f"a smaller object is longer: {self.extreme}?")
        return chosen

    def phrase(self, many: bool | None = None) -> str:
        plural = self.count > 1 if many is None else many
        return f"{number_word(self.count)}{self.extreme} {self.source.phrase(plural)}"

    def noun_phrase(
        self, speaker: Speaker, many: bool | None = None, *, countable: bool = False
    ) -> NounPhrase:
        inner = self.source.noun_phrase(speaker, self.count > 1, countable=True)
        return replace(inner, before=self._most(speaker))

    def rank_slots(self, speaker: Speaker) -> Slots:
        most = self._most(speaker)
        return {"rank": f"the {most}", "one": the_ones(most, self.count)}

    def _most(self, speaker: Speaker) -> str:
        return speaker.counted(self.count, pick(speaker.rng, EXTREME_WORDS[self.extreme]))


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    count = drawn_count(draw, absent)
    return Superlative(subject.source, pick(draw.rng, EXTREMES), count)


OPERATION = Operation(
    Superlative,
    (Proposal("ordinal", 0.3, _propose),),
    choices={"extreme": EXTREMES},
    swaps={"count": COUNT_SWAPS},
)
