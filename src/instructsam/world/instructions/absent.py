"""Programs about things that the world does not have: their place is held by a kind that the scene lacks."""

from __future__ import annotations

from dataclasses import replace

from instructsam.world.programs.all_objects import All
from instructsam.world.programs.both import Both
from instructsam.world.programs.difference import Difference
from instructsam.world.programs.either import Either
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.program import Program
from instructsam.world.programs.same import Same


def with_kind(program: Program, kind: str) -> Program | None:
    """The program with another kind of things that it chooses from: "the largest red mug" -> "the largest red fork".

    Anchors stay as they are. None where nobody could say it: "the mugs that are of the same kind as the ball", or where
    the rest would still be meant.
    """
    match program:
        case All():
            return Filter(program, "kind", kind)
        case Filter(attribute="function") | Either() | Same(same="kind"):
            return None
        case Filter(attribute="kind" | "family"):
            return with_kind(program.source, kind)
        case Both():
            first, second = with_kind(program.first, kind), with_kind(program.second, kind)
            return replace(program, first=first, second=second) if first and second else None
        case Difference():
            if program.negated is None:
                return None
            source = with_kind(program.source, kind)
            return Difference(source, replace(program.negated, source=source)) if source else None
        case _:
            source = with_kind(program.head, kind)
            return replace(program, source=source) if source else None  # type: ignore[call-arg]
