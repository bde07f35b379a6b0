"""The stage that verifies proposals."""

from __future__ import annotations

from pydantic import Field

from instructsam.config import Config


class VerifySettings(Config):
    """The group `verify`.

    Attributes:
        votes: times that each candidate is verified by numbers.
        threshold: share of votes that must agree with the proposal.
        exhaustive: whether one more question asks for objects that are missing from the answer.
        words: whether a question without picture asks for leaks and ambiguity.
        rounds: revisions of a rejected candidate, with the reason fed back, before it goes to review.
        temperature: of votes.
    """

    votes: int = Field(default=3, ge=1, le=32)
    threshold: float = Field(default=0.66, gt=0, le=1)
    exhaustive: bool = True
    words: bool = True
    rounds: int = Field(default=2, ge=0, le=10)
    temperature: float = Field(default=0.7, ge=0, le=2)
