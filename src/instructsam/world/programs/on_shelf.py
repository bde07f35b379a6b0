"""Operation "onshelf": on the top, middle or bottom shelf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.language.chance import pick
from instructsam.world.language.lexicon import SHELF_WORDS
from instructsam.world.language.speaker import Speaker
from instructsam.world.programs.modified import PLACE, Modified
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import AmbiguousProgramError, Program
from instructsam.world.programs.proposer import Proposer

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

SHELVES = ("top", "middle", "bottom")


@dataclass(frozen=True)
class OnShelf(Modified):
    """The objects of `source` on the `shelf` (one of `SHELVES`)."""

    shelf: str

    links = PLACE

    def select(self, facts: Facts) -> list[ObjectFact]:
        """Without shelves nothing; a single shelf is neither the top nor the bottom one."""
        source, count = self.source.select(facts), facts.shelves
        if count == 0:
            return []
        if count == 1 or (self.shelf == "middle" and count != 3):
            raise AmbiguousProgramError(f"no shelf of {count} is clearly the {self.shelf} one")
        wanted = {"top": 1, "middle": 2, "bottom": count}[self.shelf]
        return [fact for fact in source if fact.shelf == wanted]

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return bool(self.source.answer(facts))

    def is_trivial(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return self.source.answer(facts) == found

    def modifier_phrase(self) -> str:
        return f"on {self.shelf} shelf"

    def modifier(self, speaker: Speaker) -> str:
        return f"on the {pick(speaker.rng, SHELF_WORDS[self.shelf])}"


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program | None:
    return OnShelf(subject.source, pick(draw.rng, SHELVES)) if draw.shelves else None


def _propose_without_shelves(draw: Proposer, subject: Subject, absent: bool) -> Program | None:
    """Also where there are no shelves, if no target is wanted."""
    return OnShelf(subject.source, pick(draw.rng, SHELVES)) if draw.shelves or absent else None


OPERATION = Operation(
    OnShelf,
    (Proposal("spatial", 0.04, _propose_without_shelves), Proposal("spatial", 0.26, _propose)),
    choices={"shelf": SHELVES},
    swaps={"shelf": ({name: (name,) for name in SHELVES},)},
)
