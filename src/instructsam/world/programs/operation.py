"""The entry of an operation in the table: its programs, how they are proposed, and words for hard negatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from instructsam.world.language.lexicon import Swaps
from instructsam.world.programs.program import Program
from instructsam.world.programs.proposer import Proposer

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import ObjectFact


@dataclass(frozen=True)
class Subject:
    """The start of a proposal, drawn by the family of the instruction.

    Attributes:
        thing: the object that the instruction is about.
        other: a second object, whose attributes need not fit the first; the first again where a family draws none.
        source: a description of the first object, to which the operation adds a condition.
    """

    thing: ObjectFact
    other: ObjectFact
    source: Program


@dataclass(frozen=True)
class Proposal:
    """One way to propose a program.

    Attributes:
        family: the family of instructions that it belongs to, a key of `families.FAMILIES`.
        share: how often it is chosen, relative to the others of its family.
        propose: (proposer, subject, absent) -> program. With `absent`, one that looks answerable and has no target.
            None, before anything is drawn, where the scene offers nothing: the next one takes over its share.
    """

    family: str
    share: float
    propose: Callable[[Proposer, Subject, bool], Program | None]


@dataclass(frozen=True)
class Operation:
    """One entry of `operations.OPERATIONS`.

    Attributes:
        program: the class of its programs.
        proposals: how they are proposed for instructions.
        choices: the values that its string fields may have.
        swaps: field (of a filter its attribute) -> groups of values whose words can replace each other, for hard
            negatives.
    """

    program: type[Program]
    proposals: tuple[Proposal, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    swaps: Mapping[str, tuple[Swaps, ...]] = field(default_factory=dict)
