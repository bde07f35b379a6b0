"""Operation "position": in one half of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.language.chance import chance, pick
from instructsam.world.language.lexicon import PICTURE_WORDS, SIDE_HALF
from instructsam.world.language.speaker import Speaker
from instructsam.world.programs.modified import PLACE, Modified
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import AmbiguousProgramError, Program
from instructsam.world.programs.proposer import Proposer
from instructsam.world.programs.sides import SIDE_SWAPS, SIDES, along

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

HALF_MARGIN = 0.06  # of the picture's side: an object this near the middle is in neither half


@dataclass(frozen=True)
class Position(Modified):
    """The objects of `source` in the `side` half (one of `SIDES`) of the picture."""

    side: str

    links = PLACE

    def select(self, facts: Facts) -> list[ObjectFact]:
        source = self.source.select(facts)
        middle = {"left": 0.5, "right": -0.5, "top": 0.5, "bottom": -0.5}[self.side]
        if any(abs(along(fact, self.side) - middle) < HALF_MARGIN for fact in source):
            raise AmbiguousProgramError(
                f"an object is too near the middle to be in the {self.side} half or not"
            )
        return [fact for fact in source if along(fact, self.side) < middle]

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return bool(self.source.answer(facts))

    def is_trivial(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return self.source.answer(facts) == found

    def modifier_phrase(self) -> str:
        return f"in {self.side} half"

    def modifier(self, speaker: Speaker) -> str:
        part = pick(speaker.rng, SIDE_HALF[self.side])
        picture = pick(speaker.rng, PICTURE_WORDS)
        of_the_picture = f" of the {picture}" if chance(speaker.rng, 0.6) else ""
        return f"{'on' if part.endswith('side') else 'in'} the {part}{of_the_picture}"


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    return Position(subject.source, pick(draw.rng, SIDES))


OPERATION = Operation(
    Position, (Proposal("spatial", 0.2, _propose),), choices={"side": SIDES}, swaps={"side": SIDE_SWAPS}
)
