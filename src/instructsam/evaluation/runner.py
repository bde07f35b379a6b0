"""Runs anything that can segment over a benchmark, keeps the answers, and scores them.

Every model and baseline is called in the same way: one call per image with all instructions about it, for ALL
ranked candidates; the score threshold is applied here, so that AP sees the whole ranking.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from instructsam.data.record import Record, record_to_dict
from instructsam.data.targets import decode_all, target_masks
from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark, is_same_benchmark
from instructsam.evaluation.metrics.bootstrap import bootstrap_intervals
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.scoring import score_instruction, score_unanswered
from instructsam.evaluation.metrics.table import summarise
from instructsam.evaluation.reports.report import Report, versions
from instructsam.evaluation.runs.answers import (
    Answer,
    Keeper,
    predict_all,
    threshold_of,
)
from instructsam.evaluation.runs.content import RecordContent, answer_settings
from instructsam.evaluation.runs.predictions import (
    UNANSWERED,
    PredictionFile,
    StoredPrediction,
    by_id,
    last_line_is_cut,
    read_header,
    read_predictions,
)
from instructsam.evaluation.runs.shards import merge_parts
from instructsam.structures.answering import AnyAnswerer, Mode, takes_records
from instructsam.structures.checks import check_fraction, check_path
from instructsam.structures.locks import FolderLock

__all__ = [
    "Answer",
    "changed_note",
    "evaluate",
    "header_facts",
    "mode_of",
    "predict_all",
    "report_of",
    "rescore",
    "run_header",
    "score_answer",
]


def evaluate(
    segmenter: AnyAnswerer,
    benchmark: Benchmark,
    limit: int | None = None,
    phrases_given: bool = False,
    predictions_path: str | Path | None = None,
    score_threshold: float | None = None,
    progress: Callable[[int], None] | None = None,
    provenance: Mapping[str, Any] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Report:
    """Segments every instruction of a benchmark and scores the answers.

    A record that the segmenter refuses as input, or whose picture cannot be loaded, is unanswered: it is named in the
    report and scored as wrong (docs/metrics.md), and the run goes on.

    Args:
        segmenter: model or baseline; one with `segment_records` is given the records themselves.
        benchmark: see `get_benchmark`.
        limit: only the first so many instructions.
        phrases_given: each instruction is given as its own phrase (one forward pass, nothing decoded).
        predictions_path: JSONL file to append to; what it holds already is not predicted again, unless the instruction
            or picture has changed since or there was no answer.
        score_threshold: which predictions count as kept; None: the segmenter's own.
        progress: called with the number of instructions done so far.
        provenance: further facts for the report; `model` also guards a predictions file against mixing.
        warn: called with a line for each record that is unanswered.

    Raises:
        InputError: no instruction, an id that occurs twice, not one record that can be answered, another process
            writes in the folder, or the predictions file holds another run.
    """
    benchmark.check(limit)
    threshold = threshold_of(segmenter, score_threshold)
    mode = mode_of(phrases_given)
    header = run_header(segmenter, benchmark.name, mode, provenance)
    facts = {**header_facts(header), **(provenance or {}), "mode": mode, "limit": limit}
    with ExitStack() as stack:
        keeper: Keeper | None = None
        notes: tuple[str, ...] = ()
        if predictions_path is not None:
            path = Path(predictions_path)
            if path.parent.is_dir():  # else PredictionFile gives the message
                stack.enter_context(FolderLock(path.parent))
            notes = merge_parts(path, header)  # of a run with several processes that was stopped
            store = stack.enter_context(PredictionFile(path, header))
            notes += store.notes
            keeper = Keeper(store, RecordContent(benchmark.folder, takes_records(segmenter)))
        pairs = predict_all(segmenter, benchmark.load(limit), mode, keeper, warn)
        report = report_of(benchmark, pairs, threshold, facts, notes, progress)
    return replace(report, notes=(*report.notes, *changed_note(keeper)))


def mode_of(phrases_given: bool) -> Mode:
    """How the segmenter is called."""
    return "direct" if phrases_given else "generate"


def run_header(
    segmenter: AnyAnswerer, benchmark: str, mode: Mode, provenance: Mapping[str, Any] | None
) -> dict[str, str]:
    """The first line of a predictions file: what decides about answers. Answers of another run are not mixed in."""
    given = provenance or {}
    model = given.get("model") or segmenter.fingerprint
    settings = answer_settings(segmenter)
    if given.get("quantize"):
        settings["quantize"] = str(given["quantize"])
    return {"benchmark": benchmark, "mode": mode, "model": str(model), **settings}


def header_facts(header: Mapping[str, str]) -> dict[str, str]:
    """The part of a header that a report shows among its facts."""
    return {key: value for key, value in header.items() if key not in ("format", "benchmark")}


def changed_note(keeper: Keeper | None) -> tuple[str, ...]:
    """A note on stored answers that no longer belong to their records."""
    if keeper is None or not keeper.changed:
        return ()
    return (
        f"{len(keeper.changed)} stored answers were to another instruction or picture under the same id and were "
        "predicted again",
    )


def report_of(
    benchmark: Benchmark,
    pairs: Iterable[tuple[Record, Answer]],
    score_threshold: float,
    facts: Mapping[str, Any],
    notes: tuple[str, ...] = (),
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Scores answers as they come.

    Args:
        pairs: each record of the benchmark once, with its answer.
        facts: what the report says of the run besides threshold, time and data.
        notes: what the reader should know.
        progress: called with the number of instructions done so far.

    Raises:
        InputError: there is no pair, or none has an answer.
    """
    scores: list[InstructionScore] = []
    statuses: list[str] = []
    unanswered: list[tuple[str, str]] = []
    seconds, print_ = 0.0, _Fingerprint()
    for record, answer in pairs:
        scores.append(score_answer(record, answer, score_threshold))
        statuses.append(answer.status)
        if answer.status == UNANSWERED:
            unanswered.append((record.id, answer.reason))
        print_.add(record)
        seconds += answer.seconds
        if progress is not None:
            progress(len(scores))
    if not scores:
        raise InputError(f"nothing to score: {benchmark.name} gave no instruction that has a prediction")
    if len(unanswered) == len(scores):
        raise InputError(
            f"not one of the {len(scores)} instructions of {benchmark.name} could be answered; the first: "
            f"{unanswered[0][1]}"
        )
    notes = (*notes, *_truncated_note(statuses), *benchmark.tally.lines())
    told = {"score_threshold": score_threshold, "seconds": round(seconds, 3), "data": print_.text()}
    intervals = {name: [one.low, one.high] for name, one in bootstrap_intervals(scores).items()}
    summary = {**summarise(scores), "intervals": intervals}
    provenance = {**facts, **told, "versions": versions()}
    return Report(benchmark.name, summary, provenance, notes, tuple(scores), tuple(unanswered))


def rescore(
    predictions_path: str | Path,
    benchmark: Benchmark,
    score_threshold: float,
    provenance: Mapping[str, Any] | None = None,
    limit: int | None = None,
) -> Report:
    """Scores a predictions file again, without a model; records that it does not hold are left out with a note.

    Args:
        predictions_path: of `evaluate`.
        benchmark: the one that was answered.
        score_threshold: which predictions count as kept.
        provenance: further facts for the report.
        limit: of the run, which then gives no note about the rest; None: it answered the whole benchmark.

    Raises:
        InputError: the file is of another benchmark or holds none of its instructions.
    """
    check_path(predictions_path, "predictions_path")
    check_fraction(score_threshold, "score_threshold")
    header = read_header(predictions_path)
    if not is_same_benchmark(header.get("benchmark", ""), benchmark):
        raise InputError(f"{predictions_path} is of {header.get('benchmark')!r}, not of {benchmark.name!r}")
    stored = by_id(read_predictions(predictions_path))
    absent = changed = 0

    def pairs() -> Iterator[tuple[Record, Answer]]:
        nonlocal absent, changed
        found = 0
        for record in benchmark.records(limit):
            item = stored.get(record.id)
            if item is not None:
                found += 1
                if _answers(item, record):
                    yield record, Answer.from_stored(item)
                else:
                    changed += 1
                continue
            absent += 1
            if benchmark.texts is None and found == len(stored):
                break  # further pictures would be drawn only to be counted

    facts = {**header_facts(header), **(provenance or {}), **({} if limit is None else {"limit": limit})}
    report = report_of(benchmark, pairs(), score_threshold, facts)
    notes = list(report.notes)
    if changed:
        notes.insert(
            0, f"{changed} stored answers are to other words or another size of picture and left out"
        )
    if last_line_is_cut(predictions_path):
        notes.insert(0, f"{predictions_path}: the last line was cut off and is left out")
    if absent:
        least = "at least " if benchmark.texts is None else ""
        notes.insert(0, f"{least}{absent} instructions of the benchmark are not in the predictions file")
    return replace(report, notes=tuple(notes))


def _answers(item: StoredPrediction, record: Record) -> bool:
    """Whether a stored line is about this instruction and size of picture."""
    size = (record.image.height, record.image.width)
    return item.instruction.split() == record.instruction.split() and item.size == size


class _Fingerprint:
    """A hash of the records that were scored, so that two reports can be seen to be about the same data."""

    def __init__(self) -> None:
        self._hash = sha256()

    def add(self, record: Record) -> None:
        self._hash.update(json.dumps(record_to_dict(record), sort_keys=True).encode())

    def text(self) -> str:
        return f"sha256 {self._hash.hexdigest()[:12]}"


def score_answer(record: Record, answer: Answer, threshold: float) -> InstructionScore:
    """The score of one instruction."""
    others = [[one.rle for one in other] for other in record.alternatives]
    score = score_instruction(
        answer.masks,
        answer.scores,
        target_masks(record),
        threshold,
        id=record.id,
        family=record.family,
        image=record.image.file,
        ignore=decode_all([record.ignore], record)[0] if record.ignore else None,
        crowds=decode_all(record.crowds, record) if record.crowds else None,
        alternatives=[decode_all(codes, record) for codes in others],
    )
    return score_unanswered(score) if answer.status == UNANSWERED else score


def _truncated_note(statuses: Sequence[str]) -> tuple[str, ...]:
    cut = sum(status == "truncated" for status in statuses)
    return (f"{cut} of {len(statuses)} answers were cut before every phrase was written",) if cut else ()
