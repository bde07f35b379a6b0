"""One evaluation by several processes, as `python -m torch.distributed.run` starts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from instructsam.data.record import Record
from instructsam.errors import InputError, InstructSAMError, first_line
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.reports.build import build_report
from instructsam.evaluation.reports.report import Report
from instructsam.evaluation.runner import changed_note, header_facts, mode_of, run_header
from instructsam.evaluation.runs.answer_store import AnswerStore
from instructsam.evaluation.runs.answers import Answer, predict_all, threshold_of
from instructsam.evaluation.runs.content import RecordContent
from instructsam.evaluation.runs.predictions import PredictionFile, by_id, read_predictions
from instructsam.evaluation.runs.shards import Shard, Share, merge_parts, part_path
from instructsam.structures.answering import AnyAnswerer, takes_records
from instructsam.structures.locks import FolderLock

_PATIENCE = timedelta(days=7)  # the slowest share may take long; a launcher ends the others when one fails


def evaluate_together(
    segmenter: AnyAnswerer,
    benchmark: Benchmark,
    shard: Shard,
    predictions_path: str | Path,
    limit: int | None = None,
    phrases_given: bool = False,
    score_threshold: float | None = None,
    progress: Callable[[int], None] | None = None,
    provenance: Mapping[str, Any] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Report | None:
    """`evaluate`, with the images shared among processes; the scores are exactly those of one process.

    Args:
        shard: this process among all.
        predictions_path: the file that all answers end in, on a disk that all processes see.
        progress: called with the number of instructions that this process has answered so far.
        warn: called with a line for each record of this process that is unanswered.

    Returns:
        the report in the main process, None in the others.

    Raises:
        InputError: no instruction, or the predictions file holds another run.
        InstructSAMError: another process has ended early.
    """
    benchmark.check(limit)
    path, mode = Path(predictions_path), mode_of(phrases_given)
    header = run_header(segmenter, benchmark.name, mode, provenance)
    content_of = RecordContent(benchmark.folder, takes_records(segmenter))
    with ExitStack() as stack:
        meet = stack.enter_context(_meeting(shard))
        if shard.is_main:
            stack.enter_context(FolderLock(path.parent))
        notes = _start(path, header) if shard.is_main else ()
        meet()  # from here on all know the same answers
        with PredictionFile(path, header) as whole:
            kept = AnswerStore(whole, content_of)
        samples = benchmark.load(limit, Share(shard, lambda record: kept.find(record) is not None))
        with PredictionFile(part_path(path, shard), header) as store:
            pairs = predict_all(segmenter, samples, mode, AnswerStore(store, content_of), warn)
            for done, _ in enumerate(pairs, start=1):
                if progress is not None:
                    progress(done)
        meet()
        if not shard.is_main:
            return None
        notes += (*merge_parts(path, header), *changed_note(kept))
        run = {"mode": mode, "processes": shard.processes, "limit": limit}
        facts = {**header_facts(header), **(provenance or {}), **run}
        threshold = threshold_of(segmenter, score_threshold)
        stored = _stored_answers(benchmark, path, limit)
        return build_report(benchmark, stored, threshold, facts, notes)


def _start(path: Path, header: Mapping[str, str]) -> tuple[str, ...]:
    """Makes or repairs the file that all processes read: the notes on what was repaired."""
    notes = merge_parts(path, header)
    with PredictionFile(path, header) as whole:
        return (*notes, *whole.notes)


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

    def join(step: Callable[[], object]) -> None:
        try:
            step()
        except RuntimeError as error:
            raise InstructSAMError(
                f"another of the {shard.processes} processes ended early ({first_line(error)}): fix what it "
                "reports and start again, finished answers are kept"
            ) from error

    start = partial(
        dist.init_process_group, "gloo", rank=shard.rank, world_size=shard.processes, timeout=_PATIENCE
    )
    join(start)
    try:
        yield partial(join, dist.barrier)
    finally:
        dist.destroy_process_group()


def _stored_answers(benchmark: Benchmark, path: Path, limit: int | None) -> Iterator[tuple[Record, Answer]]:
    stored = by_id(read_predictions(path))
    for record in benchmark.records(limit):
        if record.id not in stored:
            raise InputError(f"{path} lacks the instruction {record.id!r}: start the same command again")
        yield record, Answer.from_stored(stored[record.id])
