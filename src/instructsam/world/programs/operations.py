"""The one table of operations, and what needs all of them: parsing stored programs and proposing new ones.

A new operation is a file like `relate.py` and its line in `OPERATIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, get_type_hints

from instructsam.errors import InputError
from instructsam.world.programs import (
    between,
    both,
    compare,
    counted,
    difference,
    either,
    extreme,
    nearest,
    on_shelf,
    ordinal,
    position,
    relate,
    same,
    superlative,
)
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.filter import ATTRIBUTE_SWAPS, ATTRIBUTES, Filter
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.program import Program
from instructsam.world.programs.proposer import Proposer

OPERATIONS: dict[str, Operation] = {
    operation.program.op(): operation
    for operation in (
        Operation(All),
        Operation(Filter, choices={"attribute": tuple(ATTRIBUTES)}, swaps=ATTRIBUTE_SWAPS),
        on_shelf.OPERATION,
        position.OPERATION,
        nearest.OPERATION,
        between.OPERATION,
        relate.OPERATION,
        ordinal.OPERATION,
        extreme.OPERATION,
        superlative.OPERATION,
        compare.OPERATION,
        same.OPERATION,
        either.OPERATION,
        both.OPERATION,
        difference.OPERATION,
        counted.OPERATION,
    )
}
"""Name in stored programs -> operation. The order decides what a random number proposes: append new ones."""


def from_dict(data: Mapping[str, Any]) -> Program:
    """The program that `Program.to_dict` stored.

    Raises:
        InputError: unknown op, missing, unknown or ill-typed field.
    """
    op = data.get("op") if isinstance(data, Mapping) else None
    if op not in OPERATIONS:
        raise InputError(f"a program's 'op' must be one of {', '.join(OPERATIONS)}, got {op!r}")
    node, choices = OPERATIONS[op].program, OPERATIONS[op].choices
    expected = [field.name for field in fields(node)]
    if set(data) - {"op"} != set(expected):
        got = sorted(set(data) - {"op"})
        raise InputError(f"a program with op {op!r} needs exactly the fields {sorted(expected)}, got {got}")
    program = node(**{name: _field(node, name, data[name], choices) for name in expected})
    if program.problem():
        raise InputError(program.problem())
    return program


def _field(node: type[Program], name: str, value: Any, choices: Mapping[str, tuple[str, ...]]) -> Any:
    wanted = _types(node)[name]
    if wanted is int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(f"'{name}' of op {node.op()!r} must be a positive integer, got {value!r}")
        return value
    if wanted is str:
        if name in choices and value not in choices[name]:
            known = ", ".join(choices[name])
            raise InputError(f"'{name}' of op {node.op()!r} must be one of {known}, got {value!r}")
        return value
    return from_dict(value)


@cache
def _types(node: type[Program]) -> dict[str, Any]:
    return get_type_hints(node)


def propose(family: str, draw: Proposer, subject: Subject, absent: bool) -> Program | None:
    """A program of one of the family's operations, chosen by their shares; None where the scene offers nothing."""
    proposals = [one for each in OPERATIONS.values() for one in each.proposals if one.family == family]
    choice = _share(draw, proposals) if len(proposals) > 1 else 0.0
    reached = 0.0
    for proposal in proposals:
        reached += proposal.share
        if choice < reached:
            program = proposal.propose(draw, subject, absent)
            if program is not None:
                return program
    return None


def _share(draw: Proposer, proposals: list[Proposal]) -> float:
    return float(draw.rng.random()) * sum(proposal.share for proposal in proposals)
