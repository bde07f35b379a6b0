"""The words of an operation that adds a modifier to a noun: "mugs | that are left of the bus"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from instructsam.world.language.chance import pick
from instructsam.world.language.speaker import NounPhrase, Speaker
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.program import Program, Slots

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts

THAT_IS = ("that {is} ", "which {is} ")
"""Words that link a noun with an adjective after it."""
PLACE = ("", "", "", *THAT_IS)
"""Words that link a noun with a place: a place may also follow it directly ("the mugs on the top shelf")."""


@dataclass(frozen=True)
class Modified(Program):
    """The objects of `source` for which the modifier holds.

    Attributes:
        links: the words before the modifier, one of which is chosen.
    """

    source: Program

    links: ClassVar[tuple[str, ...]] = THAT_IS

    def phrase(self, many: bool | None = None) -> str:
        return f"{self.source.phrase(many)} {self.modifier_phrase()}"

    def noun_phrase(
        self, speaker: Speaker, many: bool | None = None, *, countable: bool = False
    ) -> NounPhrase:
        return modified_noun(self, speaker, many, self.links)

    def slots(self, speaker: Speaker) -> Slots:
        return modified_slots(self, speaker)


def modified_noun(
    program: Program, speaker: Speaker, many: bool | None, links: tuple[str, ...] = THAT_IS
) -> NounPhrase:
    """The head's noun phrase with the program's modifier after it."""
    number = program.is_plural(speaker) if many is None else many
    inner = program.head.noun_phrase(speaker, number)
    link = pick(speaker.rng, links)
    return replace(inner, after=f"{inner.after} {link}{program.modifier(speaker)}".strip())


def modified_slots(program: Program, speaker: Speaker) -> Slots:
    """The whole noun phrase, and head and modifier one by one."""
    many = program.is_plural_in_use(speaker)
    phrase = program.noun_phrase(speaker, many)
    return phrase.slots() | head_slots(program, speaker, many)


def head_slots(program: Program, speaker: Speaker, many: bool) -> Slots:
    """{head}, {heads}, {mod} and {whatever} of a modified noun, with its verb."""
    head = program.head.noun_phrase(speaker, many)
    mod = program.modifier(speaker)
    slots = {"head": head.bare(), "mod": mod, "heads": head.bare(many=True), "is": head.verb}
    return slots | ({"whatever": mod} if isinstance(program.head, All) else {})


def has_others(source: Program, anchor: Program, facts: Facts) -> bool:
    """Whether there is anything to compare with the anchor, or no anchor at all."""
    anchors = anchor.members(facts)
    return not anchors or bool(source.members(facts) - anchors)
