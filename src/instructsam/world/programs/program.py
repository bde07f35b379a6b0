"""The base of all programs: instructions as small trees of operations that are executed on a scene for the answer.

A program denotes a set of objects. It is data (`to_dict`; `operations.from_dict` parses it), it has a canonical phrase,
and it chooses words for the slots of a template. Each operation is a subclass in a file of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from instructsam.errors import InputError
from instructsam.world.language.chance import chance

if TYPE_CHECKING:
    from instructsam.world.language.speaker import NounPhrase, Speaker
    from instructsam.world.scenes.facts import Facts, ObjectFact

Slots = dict[str, str]
"""Slot name of a template -> words."""


class AmbiguousProgramError(InputError):
    """People would not agree on the program's answer in this scene."""


@dataclass(frozen=True)
class Program(ABC):
    """An operation with its operands: a frozen dataclass whose fields are programs, strings or positive integers."""

    @classmethod
    def op(cls) -> str:
        """The operation's name in stored programs."""
        return cls.__name__.lower()

    def problem(self) -> str:
        """The reason why fields that are valid one by one do not fit together; "" if they do."""
        return ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form: {"op": ..., field: value or nested program}."""
        out: dict[str, Any] = {"op": self.op()}
        for field in fields(self):
            value = getattr(self, field.name)
            out[field.name] = value.to_dict() if isinstance(value, Program) else value
        return out

    # The answer

    @abstractmethod
    def select(self, facts: Facts) -> list[ObjectFact]:
        """The objects that the program denotes, in any order.

        Raises:
            AmbiguousProgramError: two objects are within a margin of each other, or an anchor is not unique.
        """

    def execute(self, facts: Facts) -> tuple[int, ...]:
        """Indices (ascending) of the objects that the program denotes; raises like `select`."""
        return tuple(sorted(fact.index for fact in self.select(facts)))

    def answer(self, facts: Facts) -> tuple[int, ...] | None:
        """The answer that every viewer would give, computed once per scene.

        None where the program is ambiguous, or where its answer depends on a hidden object.
        """
        if self not in facts.answers:
            facts.answers[self] = self._agreed(facts)
        return facts.answers[self]

    def _agreed(self, facts: Facts) -> tuple[int, ...] | None:
        try:
            indices = self.execute(facts.seen)
            if facts.has_hidden and self.execute(facts) != indices:
                return None
        except AmbiguousProgramError:
            return None
        return indices

    def members(self, facts: Facts) -> set[int]:
        """The answer as a set; empty where there is none."""
        return set(self.answer(facts) or ())

    def single(self, facts: Facts) -> ObjectFact | None:
        """The one object of an anchor; None where there is no such object."""
        anchors = self.select(facts)
        if len(anchors) > 1:
            raise AmbiguousProgramError(f"an anchor must be one object, got {len(anchors)}: narrow it down")
        return anchors[0] if anchors else None

    # Whether it is worth an instruction

    def is_sensible(self, facts: Facts, found: tuple[int, ...]) -> bool:
        """Whether a person could say this about the scene, in which its answer is `found`."""
        return True

    def is_trivial(self, facts: Facts, found: tuple[int, ...]) -> bool:
        """Whether its source alone has the same answer: "the red mugs", where all mugs are red."""
        return False

    # Words

    @abstractmethod
    def phrase(self, many: bool | None = None) -> str:
        """The canonical noun phrase: what the VLM writes and the detector is conditioned on.

        Deterministic, lower case, no article, synonyms resolved: "second red mug from the left". The noun is singular,
        however many objects there are, unless a number stands before it: "two largest mugs".

        Args:
            many: plural; None for the program's own number.
        """

    def modifier_phrase(self) -> str:
        """The part of the canonical phrase that follows the noun."""
        return self.phrase()

    @property
    def head(self) -> Program:
        """The program that a modifier modifies: "mug" of "mug left of the bus"."""
        source: Program = getattr(self, "source", self)
        return source

    @abstractmethod
    def slots(self, speaker: Speaker) -> Slots:
        """Words for the slots of a template; a template with any other slot does not suit the program."""

    def noun_phrase(
        self, speaker: Speaker, many: bool | None = None, *, countable: bool = False
    ) -> NounPhrase:
        """The program as one noun phrase in people's words.

        Args:
            speaker: chooses the words.
            many: plural; None to follow the answer.
            countable: use a noun that a number can stand before.

        Raises:
            TypeError: the operation has none.
        """
        raise TypeError(f"no noun phrase for {type(self).__name__}")

    def modifier(self, speaker: Speaker) -> str:
        """The words that the operation adds to a noun: "left of the bus", "in the top half".

        Raises:
            TypeError: the operation has none.
        """
        raise TypeError(f"no modifier for {type(self).__name__}")

    def the_one(self, speaker: Speaker) -> str:
        """The single object that others are compared with: "the red mug"."""
        return self.noun_phrase(speaker, False).the

    def is_plural(self, speaker: Speaker) -> bool:
        """Plural for several objects; for none in half of the cases ("find any mugs")."""
        count = len(self.answer(speaker.facts) or ())
        return count > 1 or (count == 0 and chance(speaker.rng, 0.5))

    def is_plural_in_use(self, speaker: Speaker) -> bool:
        """Like `is_plural`; people sometimes use the plural for a single target too."""
        return self.is_plural(speaker) or chance(speaker.rng, 0.12)
