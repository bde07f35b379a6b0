"""Operation "extreme": furthest to one side of the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instructsam.world.language.chance import chance, pick
from instructsam.world.language.lexicon import COUNT_SWAPS, NUMBERS, SIDE_FURTHEST, SIDE_MOST
from instructsam.world.language.speaker import NounPhrase, Speaker
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import Program, Slots
from instructsam.world.programs.proposer import Proposer
from instructsam.world.programs.ranked import Ranked, drawn_count, number_word, the_ones
from instructsam.world.programs.sides import SIDE_SWAPS, SIDES, ranked_from, take

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

_MOST = {"left": "leftmost", "right": "rightmost", "top": "topmost", "bottom": "bottommost"}


@dataclass(frozen=True)
class Extreme(Ranked):
    """The `count` objects of `source` furthest to the `side`."""

    side: str
    count: int = 1

    @property
    def wanted(self) -> int:
        return self.count

    def select(self, facts: Facts) -> list[ObjectFact]:
        return take(ranked_from(self.side, self.source.select(facts)), 0, self.count)

    def phrase(self, many: bool | None = None) -> str:
        plural = self.count > 1 if many is None else many
        return f"{number_word(self.count)}{_MOST[self.side]} {self.source.phrase(plural)}"

    def noun_phrase(
        self, speaker: Speaker, many: bool | None = None, *, countable: bool = False
    ) -> NounPhrase:
        inner = self.source.noun_phrase(speaker, self.count > 1, countable=True)
        if chance(speaker.rng, 0.25) and not inner.after:
            before = NUMBERS[self.count - 1] if self.count > 1 else ""
            after = pick(speaker.rng, SIDE_FURTHEST[self.side])
            return replace(inner, before=before, after=after, definite=True)
        return replace(inner, before=speaker.counted(self.count, pick(speaker.rng, SIDE_MOST[self.side])))

    def rank_slots(self, speaker: Speaker) -> Slots:
        most = speaker.counted(self.count, pick(speaker.rng, SIDE_MOST[self.side]))
        furthest = pick(speaker.rng, SIDE_FURTHEST[self.side])
        rank = furthest if self.count == 1 else f"the {most}"
        return {"rank": rank, "one": the_ones(most, self.count)}


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    count = drawn_count(draw, absent)
    return Extreme(subject.source, pick(draw.rng, SIDES), count)


OPERATION = Operation(
    Extreme,
    (Proposal("ordinal", 0.35, _propose),),
    choices={"side": SIDES},
    swaps={"side": SIDE_SWAPS, "count": COUNT_SWAPS},
)
