"""`answer_batches`: the answers to batches of pictures, in this process or in one process per device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from instructsam.labelling.answerer import Answerer
from instructsam.labelling.pictures import Batch, BatchAnswers
from instructsam.labelling.pool import WorkerPool


def answer_batches(answerers: Sequence[Answerer], batches: Iterable[Batch]) -> Iterator[BatchAnswers]:
    """The answers to batches, in order; closing the generator ends the processes.

    Args:
        answerers: one per device; a single one runs in this process.
        batches: read as needed, with increasing indices.

    Raises:
        InstructSAMError: see `WorkerPool.run` and `RunningAnswerer.answer`.
    """
    if len(answerers) == 1:
        with answerers[0].start() as running:
            yield from running.run(batches)
    else:
        with WorkerPool(answerers) as pool:
            yield from pool.run(batches)
