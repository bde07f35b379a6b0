"""Operation "all": every object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.language.speaker import NounPhrase, Speaker
from instructsam.world.programs.program import Program, Slots

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact


@dataclass(frozen=True)
class All(Program):
    """Every object."""

    def select(self, facts: Facts) -> list[ObjectFact]:
        return list(facts.objects)

    def phrase(self, many: bool | None = None) -> str:
        return "objects" if many else "object"

    def noun_phrase(
        self, speaker: Speaker, many: bool | None = None, *, countable: bool = False
    ) -> NounPhrase:
        number = self.is_plural(speaker) if many is None else many
        return NounPhrase(speaker.noun({}, countable=countable), number)

    def slots(self, speaker: Speaker) -> Slots:
        return {}
