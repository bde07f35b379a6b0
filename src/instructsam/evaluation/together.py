"""One evaluation by several processes, as `python -m torch.distributed.run` starts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from instructsam.data.record import Record
from instructsam.errors import InputError, InstructSAMError, first_line
from instructsam.evaluation.benchmark import Benchmark
from instructsam.evaluation.predictions import PredictionFile, read_predictions
from instructsam.evaluation.report import Report
from instructsam.evaluation.runner import (
    Answer,
    RecordSegmenter,
    SegmenterLike,
    mode_of,
    predict_all,
    report_of,
    run_header,
    threshold_of,
)
from instructsam.evaluation.shards import Shard, Share, merge_parts, part_path

_PATIENCE = timedelta(days=7)  # the slowest share may take long; a launcher ends the others when one fails


def evaluate_together(
    segmenter: SegmenterLike | RecordSegmenter,
    benchmark: Benchmark,
    shard: Shard,
    predictions_path: str | Path,
    limit: int | None = None,
    phrases_given: bool = False,
    score_threshold: float | None = None,
    progress: Callable[[int], None] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Report | None:
    """`evaluate`, with the pictures dealt out among processes; the scores are those of one process, to the digit.

    Args:
        shard: which of them this is.
        predictions_path: the file that all answers end in, on a disk that all processes see.
        progress: called with the number of instructions that this process has answered so far.

    Returns:
        the report in the main process, None in the others.

    Raises:
        InputError: no instruction, or the predictions file holds another run.
        InstructSAMError: another process has ended early.
    """
    path, mode = Path(predictions_path), mode_of(phrases_given)
    header = run_header(benchmark, mode, provenance)
    with _meeting(shard) as meet:
        notes = merge_parts(path, header) if shard.is_main else ()
        meet()  # from here on all know the same answers
        done = _answered(path, header)
        samples = benchmark.iterate(limit, Share(shard, done))
        with PredictionFile(part_path(path, shard), header) as store:
            for count, _ in enumerate(predict_all(segmenter, samples, mode, store), start=1):
                if progress is not None:
                    progress(count)
        meet()
        if not shard.is_main:
            return None
        notes += merge_parts(path, header)
    facts = {**(provenance or {}), "mode": mode, "processes": shard.processes}
    threshold = threshold_of(segmenter, score_threshold)
    pairs = _stored_answers(benchmark, path, limit)
    return report_of(benchmark, pairs, threshold, {**facts, "limit": limit}, notes)


def own_device(device: str, shard: Shard) -> str:
    """The device of this process: `auto` becomes one GPU per process where there are GPUs."""
    if shard.processes == 1 or device != "auto":
        return device
    import torch

    count = torch.cuda.device_count()
    return f"cuda:{shard.local_rank % count}" if count else device


@contextmanager
def _meeting(shard: Shard) -> Iterator[Callable[[], None]]:
    """Yields the function that waits until every process has called it."""
    import torch.distributed as dist

    dist.init_process_group("gloo", rank=shard.rank, world_size=shard.processes, timeout=_PATIENCE)

    def meet() -> None:
        try:
            dist.barrier()
        except RuntimeError as error:
            raise InstructSAMError(
                f"another of the {shard.processes} processes has ended early ({first_line(error)}); mend what it says "
                "and start again, what is answered is kept"
            ) from error

    try:
        yield meet
    finally:
        dist.destroy_process_group()


def _answered(path: Path, header: Mapping[str, str]) -> set[str]:
    if not path.exists():
        return set()
    with PredictionFile(path, header) as whole:
        return set(whole.done)


def _stored_answers(benchmark: Benchmark, path: Path, limit: int | None) -> Iterator[tuple[Record, Answer]]:
    stored = {item.id: item for item in read_predictions(path)}
    for record in benchmark.records(limit):
        if record.id not in stored:
            raise InputError(f"{path} lacks the instruction {record.id!r}: start the same command again")
        yield record, Answer.from_stored(stored[record.id])
