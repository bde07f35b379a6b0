"""Operation "between": between two other objects."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING

from instructsam.world.language.speaker import Speaker
from instructsam.world.programs.modified import PLACE, Modified
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import AmbiguousProgramError, Program
from instructsam.world.programs.proposer import Proposer

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

APART = 0.25  # of the picture's height: anchors closer than this have nothing between them
# Of the way between two anchors: before the first number an object is not between, after the second it is.
ALONG = (-0.05, 0.15)
# Of the anchors' distance: this near the line between them an object is between, this far it is not.
ASIDE = (0.2, 0.45)


@dataclass(frozen=True)
class Between(Modified):
    """The objects of `source` that lie between the one object of `first` and the one of `second`."""

    first: Program
    second: Program

    links = PLACE

    def select(self, facts: Facts) -> list[ObjectFact]:
        source = self.source.select(facts)
        one, other = self.first.single(facts), self.second.single(facts)
        if one is None or other is None:
            return []
        others = [fact for fact in source if fact.index not in (one.index, other.index)]
        return [fact for fact in others if _is_between(fact, one, other, facts.aspect)]

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return self.first != self.second and bool(self.source.answer(facts))

    def modifier_phrase(self) -> str:
        return f"between {self.first.phrase()} and {self.second.phrase()}"

    def modifier(self, speaker: Speaker) -> str:
        return f"between {self.first.the_one(speaker)} and {self.second.the_one(speaker)}"


def _is_between(fact: ObjectFact, first: ObjectFact, second: ObjectFact, aspect: float) -> bool:
    """Whether the object's centre lies between the centres of two others.

    Raises:
        AmbiguousProgramError: the two are too close or the same, or the object is only almost between them.
    """
    across, down = (second.x - first.x) * aspect, second.y - first.y
    length = hypot(across, down)
    if first.index == second.index or length < APART:
        raise AmbiguousProgramError("the two anchors are too close for anything to be between them")
    right, below = (fact.x - first.x) * aspect, fact.y - first.y
    along = (right * across + below * down) / length**2
    aside = abs(right * down - below * across) / length**2
    ends = min(along, 1 - along)
    if ends <= ALONG[0] or aside >= ASIDE[1]:
        return False
    if ends >= ALONG[1] and aside <= ASIDE[0]:
        return True
    raise AmbiguousProgramError(f"object {fact.index} is only almost between the two anchors")


def _propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    return Between(subject.source, draw.anchor(absent), draw.anchor(False))


OPERATION = Operation(Between, (Proposal("spatial", 0.12, _propose),))
