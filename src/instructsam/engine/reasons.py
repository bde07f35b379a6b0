"""Reasons of decisions: a code that reports count, and text for the reviser and for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from instructsam.engine.filters.problem import ProblemCode

CheckCode = Literal[
    "leak",
    "ambiguous",
    "grammar",
    "votes",
    "not exhaustive",
    "unmarked object",
    "target found",
    "re-ground",
    "no reply",
    "given up",
    "repeated",
    "unusable",
    "no objects",
    "too many objects",
]
"""Codes of the flow; those of the local checks of the words are added. docs/engine_verify.md explains each."""

ReasonCode = CheckCode | ProblemCode
REASON_CODES: tuple[str, ...] = tuple(dict.fromkeys((*get_args(CheckCode), *get_args(ProblemCode))))


@dataclass(frozen=True)
class Reason:
    """Why a candidate failed a check, or why a row is skipped."""

    code: ReasonCode
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"
