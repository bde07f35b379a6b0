"""Reasons of decisions: a code that reports count, and text for the reviser and for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

ReasonCode = Literal[
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
"""Every code; docs/engine_verify.md explains each."""

REASON_CODES: tuple[ReasonCode, ...] = get_args(ReasonCode)


@dataclass(frozen=True)
class Reason:
    """Why a candidate failed a check, or why a row is skipped."""

    code: ReasonCode
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"
