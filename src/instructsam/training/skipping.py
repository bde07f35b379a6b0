"""Samples that cannot be used, with `data.on_error: skip`: counted, named once and replaced; never too many of them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable

import numpy as np

from instructsam.errors import InputError

ATTEMPTS = 20  # samples that are tried for one place
REACH = 1000  # a replacement is one of so many samples that come next
WINDOW = 100  # samples over which the share is counted
MOST_SKIPPED = 0.2  # share of them; more is a fault of the source
_REPLACEMENT_STREAM = 0x5C1_99ED  # keeps the choice of replacements apart from all other random numbers


def sample_number(seed: int, position: int, attempt: int) -> int:
    """The number of the sample that is tried at a position of the stream; attempt 0 is the position itself."""
    if not attempt:
        return position
    rng = np.random.default_rng([seed, _REPLACEMENT_STREAM, position, attempt])
    return position + 1 + int(rng.integers(REACH))


class SkipCount:
    """Counts the skipped samples of a run and stops it where they are too many.

    Every process counts the same sums over all processes, so that all of them stop at the same step.

    Args:
        total: skipped so far.
    """

    def __init__(self, total: int = 0) -> None:
        self.total = total
        self._named: set[str] = set()
        self._steps: deque[tuple[int, int]] = deque()

    def name(self, messages: Iterable[str]) -> None:
        """Log each message of this process that is new."""
        for message in messages:
            if message not in self._named:
                self._named.add(message)
                logging.getLogger(__name__).warning("skipped: %s", message)

    def add(self, samples: int, skipped: int) -> None:
        """Count a step: its samples, and those that were skipped for them.

        Raises:
            InputError: more than `MOST_SKIPPED` of the last samples were skipped.
        """
        self.total += skipped
        self._steps.append((samples + skipped, skipped))
        while sum(tried for tried, _ in self._steps) - self._steps[0][0] >= WINDOW:
            self._steps.popleft()
        tried, lost = (sum(step[part] for step in self._steps) for part in (0, 1))
        if lost > MOST_SKIPPED * max(tried, WINDOW):
            such_as = f", such as: {sorted(self._named)[0]}" if self._named else ""
            raise InputError(
                f"{lost} of the last {tried} samples cannot be used, at most {MOST_SKIPPED:.0%} are skipped: repair "
                f"them or leave them out (instructsam data check lists them), then resume{such_as}"
            )

    def report(self) -> str:
        """A line for the end of a run; empty where nothing was skipped."""
        if not self.total:
            return ""
        return f"{self.total} samples could not be used and were replaced by others; each is named above once"
