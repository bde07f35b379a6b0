"""The stage that verifies proposals."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from instructsam.config import Config

UnmarkedPolicy = Literal["revise", "review", "reject"]
_ROUNDING = 1e-9  # so that 2 of 3 votes reach a threshold of 2/3


class VerifySettings(Config):
    """The group `verify`.

    Attributes:
        votes: times that each candidate is verified by numbers, at most; no vote is cast that cannot change the
            decision.
        threshold: share of `votes` that must agree with the proposal.
        shuffle: whether each vote sees the objects in another order, against a preference for some numbers.
        exhaustive: whether one more question looks for objects that are missing from the answer.
        no_target: whether one more question about candidates without target looks for anything that is meant.
        words: whether a question without picture looks for leaks, ambiguity and bad grammar.
        unmarked: consequence of an object that is meant and has no number: "revise" the wording, "review" or "reject".
        rounds: revisions of a candidate that failed, with the reason fed back, before it goes to review.
        temperature: of votes; the other questions take the most probable reply.
        max_tokens: of a reply; models that think aloud need more.
    """

    votes: int = Field(default=3, ge=1, le=32)
    threshold: float = Field(default=0.66, gt=0, le=1)
    shuffle: bool = True
    exhaustive: bool = True
    no_target: bool = True
    words: bool = True
    unmarked: UnmarkedPolicy = "revise"
    rounds: int = Field(default=2, ge=0, le=10)
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_tokens: int = Field(default=1024, ge=16, le=1_000_000)

    @property
    def needed(self) -> int:
        """Votes of `votes` that must agree."""
        return self.needed_of(self.votes)

    def needed_of(self, votes: int) -> int:
        """Votes that must agree, of another number than `votes`."""
        return max(1, math.ceil(self.threshold * votes - _ROUNDING))
