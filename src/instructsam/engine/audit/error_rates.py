"""The error model of the simulated VLM: rates, difficulty, and wrong sets of numbers.

An instruction j has a difficulty u_j, uniform in [0, 1]. Each answer about it is wrong with probability d_j, where d_j
is the u_j-quantile of the Beta distribution whose mean is the error rate and which gives two answers about the same
instruction errors with the correlation `correlation` (the beta-binomial model). With correlation 0 all answers err
independently. One difficulty counts for the proposer and for every question of the verifier: what is hard to propose
is hard to verify. On top of it, a share `agreement` of the wrong proposals is repeated by every answer of the verifier.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import Any

from pydantic import Field
from scipy.special import betaincinv

from instructsam.config import Config
from instructsam.errors import InputError


class ErrorRates(Config):
    """Error rates of the simulated model, shares in [0, 1].

    Attributes:
        proposal: proposals with targets whose numbers are wrong: one is missing, one too many, or one swapped.
        no_target: proposals without target that have one.
        leak: proposals whose words name a mark of the picture.
        broken: replies that hold no JSON, at the first try.
        vote: votes that name wrong numbers.
        exhaustive: answers that see no missing object where there is one, or one where there is none.
        no_target_check: the same for instructions without target.
        words: answers that miss a leak, or find fault with good words.
        agreement: wrong proposals whose mistake every answer of the verifier repeats; votes cannot find these.
        correlation: of the errors of two answers about one instruction, 0 for independent errors.
    """

    proposal: float = Field(default=0.25, ge=0, le=1)
    no_target: float = Field(default=0.15, ge=0, le=1)
    leak: float = Field(default=0.03, ge=0, le=1)
    broken: float = Field(default=0.02, ge=0, le=1)
    vote: float = Field(default=0.2, ge=0, le=1)
    exhaustive: float = Field(default=0.1, ge=0, le=1)
    no_target_check: float = Field(default=0.1, ge=0, le=1)
    words: float = Field(default=0.02, ge=0, le=1)
    agreement: float = Field(default=0.1, ge=0, le=1)
    correlation: float = Field(default=0.2, ge=0, lt=1)

    def at(self, vote: float) -> ErrorRates:
        """The rates of a model that errs in this share of its votes: every rate in proportion, but the correlations.

        Raises:
            InputError: the share is not in [0, 1].
        """
        if not 0 <= vote <= 1:
            raise InputError(f"error rates must lie in [0, 1], got {vote:g}")
        factor = vote / self.vote if self.vote else 0.0
        scaled = ("proposal", "no_target", "exhaustive", "no_target_check")
        changed = {name: min(1.0, getattr(self, name) * factor) for name in scaled}
        return self.model_copy(update={**changed, "vote": vote})


def chance_of(*content: Any) -> Random:
    """Random numbers that depend on JSON values alone."""
    text = json.dumps(content, sort_keys=True)
    return Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


@lru_cache(maxsize=65536)
def error_chance(rate: float, correlation: float, difficulty: float) -> float:
    """The chance that an answer about an instruction of this difficulty is wrong."""
    if correlation == 0 or rate in (0, 1):
        return rate
    spread = (1 - correlation) / correlation
    return float(betaincinv(rate * spread, (1 - rate) * spread, difficulty))


def wrong_numbers(
    random: Random, right: Sequence[int], count: int, tempting: Sequence[int], least: int = 0
) -> tuple[int, ...]:
    """Numbers that differ from the right ones by one that is missing, too many or swapped.

    Args:
        random: source of every choice.
        right: the right ones.
        count: objects of the row, numbered from 1.
        tempting: numbers of objects that look like the right ones, which a mistake prefers.
        least: numbers that must be left.

    Returns:
        The right ones where no mistake is possible.
    """
    others = [number for number in range(1, count + 1) if number not in right]
    alike = [number for number in others if number in tempting] or others
    ways = [
        *(["missing"] if len(right) > least else []),
        *(["more"] if others else []),
        *(["swapped"] if others and right else []),
    ]
    found = set(right)
    if ways:
        way = random.choice(ways)
        if way != "more":
            found.discard(random.choice(list(right)))
        if way != "missing":
            found.add(random.choice(alike))
    return tuple(sorted(found))
