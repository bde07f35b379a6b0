"""The words of an operation that ranks objects and takes some of them: "the two largest", "second from the left"."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.language.chance import chance
from instructsam.world.language.lexicon import NUMBERS
from instructsam.world.language.speaker import Speaker
from instructsam.world.programs.program import Program, Slots
from instructsam.world.programs.proposer import Proposer

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts


@dataclass(frozen=True)
class Ranked(Program):
    """Objects of `source` by their rank."""

    source: Program

    @property
    @abstractmethod
    def wanted(self) -> int:
        """The number of objects that are taken."""

    @abstractmethod
    def rank_slots(self, speaker: Speaker) -> Slots:
        """{rank} "second from the left" and {one} "the second one from the left"."""

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return not found or len(self.source.members(facts)) > self.wanted

    def slots(self, speaker: Speaker) -> Slots:
        phrase = self.noun_phrase(speaker)
        head = self.source.noun_phrase(speaker, self.wanted > 1, countable=True)
        slots = {**phrase.slots(), "head": head.bare(), "heads": head.bare(many=True), "is": head.verb}
        for name in ("a", "each", "several"):
            slots.pop(name, None)
        slots |= self.rank_slots(speaker)
        return slots | ({"rank_one": slots["rank"]} if self.wanted == 1 else {})


def number_word(count: int) -> str:
    """The number before a word of a canonical phrase; nothing for one."""
    return "" if count == 1 else NUMBERS[count - 1] + " "


def the_ones(words: str, count: int) -> str:
    """A rank without its noun: "the leftmost one", "the two leftmost"."""
    return f"the {words} one" if count == 1 else f"the {words}"


def drawn_count(draw: Proposer, absent: bool) -> int:
    """One, or sometimes two or three objects."""
    return 1 if absent or chance(draw.rng, 0.6) else int(draw.rng.integers(2, 4))
