"""Operation "ordinal": the second from the left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instructsam.world.language.chance import pick
from instructsam.world.language.lexicon import ORDINAL_NUMBERS, ORDINALS, Swaps
from instructsam.world.language.speaker import NounPhrase, Speaker
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import Program, Slots
from instructsam.world.programs.proposer import Proposer
from instructsam.world.programs.ranked import Ranked
from instructsam.world.programs.sides import SIDE_SWAPS, SIDES, ranked_from, take

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

NTH_SWAPS: tuple[Swaps, ...] = (
    {nth: (word,) for nth, word in enumerate(ORDINALS, 1)},
    {nth: (word,) for nth, word in enumerate(ORDINAL_NUMBERS, 1)},
)


@dataclass(frozen=True)
class Ordinal(Ranked):
    """The `nth` object of `source`, counted from the `side`; 1 is the first."""

    side: str
    nth: int

    @property
    def wanted(self) -> int:
        return 1

    def select(self, facts: Facts) -> list[ObjectFact]:
        ranked = ranked_from(self.side, self.source.select(facts))
        return take(ranked, self.nth - 1, self.nth) if self.nth <= len(ranked) else []

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        members = len(self.source.members(facts))
        return members >= 2 if found else self.nth <= members + 2

    def phrase(self, many: bool | None = None) -> str:
        return f"{ORDINALS[self.nth - 1]} {self.source.phrase()} from the {self.side}"

    def noun_phrase(
        self, speaker: Speaker, many: bool | None = None, *, countable: bool = False
    ) -> NounPhrase:
        inner = self.source.noun_phrase(speaker, False, countable=True)
        return replace(inner, before=speaker.ordinal(self.nth), after=f"from the {self.side}")

    def rank_slots(self, speaker: Speaker) -> Slots:
        place = speaker.ordinal(self.nth)
        return {
            "side": self.side,
            "nth": place,
            "rank": f"{place} from the {self.side}",
            "one": f"the {place} one from the {self.side}",
        }


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    return Ordinal(subject.source, pick(draw.rng, SIDES), 1 + int(draw.rng.integers(4)))


OPERATION = Operation(
    Ordinal,
    (Proposal("ordinal", 0.35, _propose),),
    choices={"side": SIDES},
    swaps={"side": SIDE_SWAPS, "nth": NTH_SWAPS},
)
