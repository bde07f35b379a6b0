"""Votes about a candidate: how many are cast, and whether they agree with its numbers. No input and output.

A batch of votes is as large as it can be without a vote that may turn out to be needless: voting ends as soon as the
threshold is reached or out of reach. The decision is that of all votes, for a part of their cost.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from instructsam.engine.candidates import Candidate, candidate_to_dict
from instructsam.engine.digests import digest
from instructsam.engine.reasons import Reason
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.verify import VerifySettings
from instructsam.engine.tasks import Part, Task

Ballot = tuple[int, ...] | None
"""The numbers of a vote, ascending; None for a reply that was unusable, which agrees with nothing."""


@dataclass(frozen=True)
class Poll:
    """The votes about one candidate.

    Attributes:
        claimed: the candidate's numbers.
        ballots: in the order of their numbers.
        votes, needed: as configured.
    """

    claimed: tuple[int, ...]
    ballots: tuple[Ballot, ...]
    votes: int
    needed: int

    @property
    def agreeing(self) -> int:
        """Votes that name the claimed numbers and no other."""
        return sum(ballot == self.claimed for ballot in self.ballots)

    @property
    def passed(self) -> bool:
        """Whether enough votes agree."""
        return self.agreeing >= self.needed

    @property
    def useful(self) -> int:
        """Further votes that no decision can do without; 0 when the decision is final."""
        disagreeing = len(self.ballots) - self.agreeing
        return max(0, min(self.needed - self.agreeing, self.votes - self.needed + 1 - disagreeing))

    @property
    def agreement(self) -> float:
        """Agreeing votes of those cast."""
        return self.agreeing / max(1, len(self.ballots))

    def named(self) -> dict[int, float]:
        """The share of the votes that name each number, for the numbers that are claimed or named."""
        numbers = {number for ballot in self.ballots for number in ballot or ()} | set(self.claimed)
        cast = max(1, len(self.ballots))
        return {
            number: sum(number in (ballot or ()) for ballot in self.ballots) / cast
            for number in sorted(numbers)
        }

    def reason(self) -> Reason | None:
        """Why the votes do not agree; None if they do."""
        if self.passed:
            return None
        others = dict.fromkeys(ballot for ballot in self.ballots if ballot != self.claimed)
        named = "; ".join("unusable reply" if other is None else show_numbers(other) for other in others)
        return Reason("votes", f"{self.agreeing} of {len(self.ballots)} agree, others name {named}")


def show_numbers(numbers: Sequence[int]) -> str:
    """Numbers in words: "2, 5", or "nothing"."""
    return ", ".join(map(str, numbers)) or "nothing"


def collect_votes(
    row: ImageRow, candidate: Candidate, verify: VerifySettings, earlier: Sequence[Ballot] = ()
) -> Generator[Sequence[Task], Sequence[Part], Poll]:
    """Yields the votes that are next, and returns all of them.

    Args:
        earlier: votes about the same wording, for which other numbers were claimed. They count, and as many more as
            usual may be cast: claiming other numbers until some votes happen to agree is no way to pass.
    """
    votes = len(earlier) + verify.votes
    needed = verify.needed_of(votes)
    poll = Poll(candidate.numbers, tuple(earlier), votes, needed)
    while count := poll.useful:
        cast = len(poll.ballots)
        parts = yield [
            vote_task(row, candidate, number, verify.shuffle) for number in range(cast, cast + count)
        ]
        poll = Poll(candidate.numbers, (*poll.ballots, *map(_ballot, parts)), votes, needed)
    return poll


def shown_numbers(task: Task, numbers: Sequence[int]) -> tuple[int, ...]:
    """The numbers that the picture of a vote shows for these numbers of the row, ascending."""
    order = task.subject.get("order")
    return tuple(sorted(order.index(number) + 1 for number in numbers)) if order else tuple(sorted(numbers))


def true_numbers(task: Task, shown: Sequence[int]) -> tuple[int, ...]:
    """The numbers of the row for these numbers in the picture of a vote, ascending."""
    order = task.subject.get("order")
    return tuple(sorted(order[number - 1] for number in shown)) if order else tuple(sorted(shown))


def vote_task(row: ImageRow, candidate: Candidate, number: int, shuffle: bool) -> Task:
    """One vote. The order depends on the row and the vote alone: all candidates of a row share its pictures."""
    subject: dict[str, Any] = {"candidate": candidate_to_dict(candidate)}
    if shuffle:
        subject["order"] = list(_order(row.digest, number, len(row.instances)))
    return Task("vote", row, subject, number)


@lru_cache(maxsize=256)
def _order(row: str, number: int, count: int) -> tuple[int, ...]:
    """A permutation of the numbers 1 to `count`."""
    seed = int(digest(["order of a vote", row, number])[:16], 16)
    return tuple(Random(seed).sample(range(1, count + 1), count))


def _ballot(part: Part) -> Ballot:
    return None if part.unusable else tuple(sorted({int(number) for number in part.data["numbers"]}))
