"""Reasons against a candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProblemCode = Literal[
    "length",
    "characters",
    "script",
    "language",
    "banned word",
    "leak",
    "empty phrase",
    "phrase count",
    "repetition",
    "small object",
    "covering object",
    "duplicate object",
]


@dataclass(frozen=True)
class Problem:
    """A reason against a candidate.

    Attributes:
        code: what reports count.
        text: one sentence for the model that revises the candidate, and for people.
    """

    code: ProblemCode
    text: str
