"""The numbers of tokens, phrases, targets and pairs that the losses of a batch are means over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

from instructsam.losses.matcher import count_pairs


@dataclass(frozen=True, kw_only=True)
class LossCounts:
    """Numbers of one batch, sums of them over several batches, or the divisors that follow from these.

    Attributes:
        batches: 1, or how many are summed.
        phrases: that have scores and a semantic map.
        presences: phrases whose presence is known; None: the criterion counts them on the device.
        targets: instances of all phrases.
        pairs, earlier_pairs: matched pairs of the last decoder layer, and of each earlier one.
        tokens: supervised ones; None: the criterion counts them on the device.
    """

    batches: float = 1
    phrases: float
    presences: float | None = None
    targets: float
    pairs: float
    earlier_pairs: float
    tokens: float | None = None

    @classmethod
    def of(cls, targets: Sequence[int], queries: int, copies: int) -> LossCounts:
        """The numbers that follow from how many targets each phrase has.

        Args:
            targets: of each phrase.
            queries: per phrase.
            copies: queries that each target is given in earlier layers, `CriterionConfig.auxiliary_copies`.
        """
        return LossCounts(
            phrases=len(targets),
            targets=sum(targets),
            pairs=count_pairs(targets, queries),
            earlier_pairs=count_pairs(targets, queries, copies),
        )

    def divisors(self) -> Self:
        """Every number, at least 1, per batch: the mean of losses divided by them is the loss of one big batch."""
        numbers = {field.name: getattr(self, field.name) for field in fields(self)}
        numbers.pop("batches")
        known = {name: number for name, number in numbers.items() if number is not None}
        return replace(self, **{name: max(number, 1) / self.batches for name, number in known.items()})
