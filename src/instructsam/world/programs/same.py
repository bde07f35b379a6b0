"""Operation "same": of the same colour, pattern, size or kind as one other object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.language.chance import chance, pick
from instructsam.world.language.lexicon import SAME_WORDS
from instructsam.world.language.speaker import Speaker
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.modified import Modified, has_others
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import AmbiguousProgramError, Program
from instructsam.world.programs.proposer import Proposer

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

SAME_ATTRIBUTES = ("color", "pattern", "size", "kind")
SAME_AREA_RATIO = (
    2.0  # a fork with this many times less area than a ball is not as big as the ball, however long
)


@dataclass(frozen=True)
class Same(Modified):
    """The objects of `source` with the `same` attribute (of `SAME_ATTRIBUTES`) as the one `anchor`, without it."""

    same: str
    anchor: Program

    def select(self, facts: Facts) -> list[ObjectFact]:
        source, anchor = self.source.select(facts), self.anchor.single(facts)
        if anchor is None:
            return []
        others = [fact for fact in source if fact.index != anchor.index]
        if self.same == "size":
            return [fact for fact in others if _is_as_big(fact, anchor)]
        return [fact for fact in others if getattr(fact, self.same) == getattr(anchor, self.same)]

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        anchors = self.anchor.answer(facts) or ()
        if self.same == "pattern" and any(facts.objects[index].pattern == "plain" for index in anchors):
            return False  # nobody calls two plain things patterned alike
        return has_others(self.source, self.anchor, facts)

    def modifier_phrase(self) -> str:
        return f"same {self.same} as {self.anchor.phrase()}"

    def modifier(self, speaker: Speaker) -> str:
        return f"{pick(speaker.rng, SAME_WORDS[self.same])} {self.anchor.the_one(speaker)}"


def _is_as_big(fact: ObjectFact, anchor: ObjectFact) -> bool:
    """Whether the object is of the anchor's size, which goes by length.

    Raises:
        AmbiguousProgramError: as long, but of far less or more area: a slim object may look smaller.
    """
    if fact.size != anchor.size:
        return False
    if max(fact.area, anchor.area) > SAME_AREA_RATIO * min(fact.area, anchor.area):
        raise AmbiguousProgramError(f"objects {fact.index} and {anchor.index} are as long, but not as big")
    return True


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    same = pick(draw.rng, ("color", "color", "color", "pattern", "size", "kind", "kind"))
    if same == "kind":
        source = Filter(All(), "color", draw.thing().color) if chance(draw.rng, 0.3) else All()
        # "The same kind of thing as the mug" would name the answer.
        return Same(source, same, draw.unique(("kind",)) or Filter(All(), "color", draw.missing("color")))
    return Same(subject.source, same, draw.anchor(absent, (same,)))


OPERATION = Operation(Same, (Proposal("comparison", 0.6, _propose),), choices={"same": SAME_ATTRIBUTES})
