"""The limits of a model that training data is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelLimits:
    """Limits of one model.

    Attributes:
        num_queries: the most instances that it finds of one phrase.
        max_instruction_tokens: longer instructions are refused.
        count_tokens: the number of tokens of a text.
    """

    num_queries: int
    max_instruction_tokens: int
    count_tokens: Callable[[str], int]
