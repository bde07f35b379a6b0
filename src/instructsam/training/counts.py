"""The numbers that the losses of an update are means over, counted on the host from its batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch

from instructsam.losses.counts import LossCounts
from instructsam.training.batch import TrainingBatch


@dataclass(frozen=True, kw_only=True)
class StepCounts(LossCounts):
    """`LossCounts` of the phrases that the detector answers, with those of the auxiliary objectives.

    Attributes:
        all_phrases, all_targets: with those of the phrases that the detector does not answer.
        cells, occupied_cells: of both vision encoders: all, and those with an object.
    """

    all_phrases: float
    all_targets: float
    cells: float
    occupied_cells: float

    @classmethod
    def of_batch(
        cls, batch: TrainingBatch, detected: Sequence[int] | None, queries: int, copies: int
    ) -> StepCounts:
        """The numbers of one batch.

        Args:
            batch: on the host.
            detected: phrases that the detector answers; None for all.
            queries, copies: see `LossCounts.of`.
        """
        every = batch.targets.counts
        chosen = range(len(every)) if detected is None else detected
        targets = [every[phrase] for phrase in chosen]
        presences, ignore = len(targets), batch.targets.ignore
        if ignore is not None:  # with ignored pixels and without target, presence is unknown
            ignored = ignore[list(chosen)].flatten(1).any(1)
            presences -= int((ignored & (torch.tensor(targets) == 0)).sum())
        numbers = asdict(LossCounts.of(targets, queries, copies))
        numbers |= {"presences": presences, "tokens": len(batch.packed.text_labels)}
        classes = None if batch.cells is None else batch.cells.classes
        return cls(
            **numbers,
            all_phrases=len(every),
            all_targets=sum(every),
            cells=0 if classes is None else len(classes),
            occupied_cells=0 if classes is None else int((classes[:, 0] > 0).sum()),
        )


def shared_divisors(own: Sequence[StepCounts], sum_over_processes: Callable[..., list[float]]) -> StepCounts:
    """The divisors of one update.

    Args:
        own: of this process's batches.
        sum_over_processes: sums of some numbers over all processes.
    """
    columns = {name: sum(asdict(counts)[name] for counts in own) for name in asdict(own[0])}
    totals = sum_over_processes(*columns.values())
    return StepCounts(**dict(zip(columns, totals, strict=True))).divisors()
