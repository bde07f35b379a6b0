"""Operation "difference": not red, or everything except the mugs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instructsam.world.language.chance import chance, pick
from instructsam.world.language.lexicon import ONE_NOUN, THING_NOUNS
from instructsam.world.language.speaker import NounPhrase, Speaker
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.extreme import Extreme
from instructsam.world.programs.filter import ADJECTIVES, Filter
from instructsam.world.programs.modified import modified_slots
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import Program, Slots
from instructsam.world.programs.proposer import Proposer
from instructsam.world.programs.sides import SIDES

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

EXCEPT_WORDS = ("except", "except for", "but not", "other than", "apart from")
EVERYTHING_EXCEPT_WORDS = ("except", "but", "except for", "other than", "apart from")


@dataclass(frozen=True)
class Difference(Program):
    """The objects of `source` that are not in `removed`."""

    source: Program
    removed: Program

    def select(self, facts: Facts) -> list[ObjectFact]:
        source = self.source.select(facts)
        gone = {fact.index for fact in self.removed.select(facts)}
        return [fact for fact in source if fact.index not in gone]

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        before, gone = self.source.members(facts), self.removed.members(facts)
        return bool(before & gone) and (len(before) >= 2 or self.negated is not None)

    @property
    def negated(self) -> Filter | None:
        """The attribute of "not red" or "not small"; None for "except the mugs"."""
        removed = self.removed
        if isinstance(removed, Filter) and removed.source == self.source and removed.attribute in ADJECTIVES:
            return removed
        return None

    def phrase(self, many: bool | None = None) -> str:
        if self.negated:
            return f"{self.source.phrase(many)} not {self.negated.value}"
        return f"{self.source.phrase(many)} except {self.removed.phrase()}"

    def noun_phrase(
        self, speaker: Speaker, many: bool | None = None, *, countable: bool = False
    ) -> NounPhrase:
        if not self.negated:
            return super().noun_phrase(speaker, many, countable=countable)
        number = self.is_plural(speaker) if many is None else many
        inner = self.source.noun_phrase(speaker, number)
        return replace(inner, after="that {is} " + self.modifier(speaker))

    def modifier(self, speaker: Speaker) -> str:
        return f"not {self.removed.modifier(speaker)}"

    def slots(self, speaker: Speaker) -> Slots:
        if self.negated and chance(speaker.rng, 0.6):
            return modified_slots(self, speaker)
        kept = self.source.noun_phrase(speaker, True)
        gone = self.removed.noun_phrase(speaker)
        short = _shortened(gone, kept)
        link = pick(speaker.rng, EXCEPT_WORDS)
        slots = {
            "the": f"{kept.the} {link} {short.the}",
            "bare": f"{kept.bare()} {link} {short.the}",
            "is": kept.verb,
            "them": kept.them,
            "kept": kept.the,
            "removed": short.the,
        }
        if kept.noun in (gone.noun, *THING_NOUNS):
            slots |= {"removed_full": gone.the, "others": f"the other {kept.bare()}"}
        if isinstance(self.source, All):
            slots["exception"] = f"{pick(speaker.rng, EVERYTHING_EXCEPT_WORDS)} {gone.the}"
            slots["the"] = f"all {slots['the']}"
            slots |= {"kept": "everything", "removed": gone.the}
        return slots


def _shortened(gone: NounPhrase, kept: NounPhrase) -> NounPhrase:
    """The removed objects as "the red ones" where their noun has been used already."""
    if gone.noun != kept.noun or not gone.adjectives + gone.before:
        return gone
    noun = ONE_NOUN if gone.many or not gone.before[:1].isdigit() else gone.noun
    adjectives = gone.adjectives.removeprefix(kept.adjectives).strip()
    return NounPhrase(noun, gone.many, gone.before, adjectives, gone.after)


def _without_attribute(draw: Proposer, subject: Subject, absent: bool) -> Program:
    source = draw.head(subject.thing, 0.35, 0.4)
    attribute = draw.adjective()
    value = getattr(subject.thing if absent else subject.other, attribute)
    return Difference(source, Filter(source, attribute, value))


def _without_members(draw: Proposer, subject: Subject, absent: bool) -> Program:
    source = draw.head(subject.thing, 0.35, 0.4)
    if isinstance(source, All):
        return Difference(source, draw.named(subject.other))
    return Difference(source, Extreme(source, pick(draw.rng, SIDES)))


OPERATION = Operation(
    Difference, (Proposal("logic", 0.25, _without_attribute), Proposal("logic", 0.15, _without_members))
)
