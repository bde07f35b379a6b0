"""Builds the report of a run from its answers: scores, intervals, provenance and notes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from instructsam.data.record import Record, record_to_dict
from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.metrics.bootstrap import bootstrap_intervals
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.table import summarise
from instructsam.evaluation.reports.report import Report, versions
from instructsam.evaluation.runs.answers import Answer
from instructsam.evaluation.runs.score_answer import score_answer
from instructsam.evaluation.runs.stored_prediction import UNANSWERED


def build_report(
    benchmark: Benchmark,
    pairs: Iterable[tuple[Record, Answer]],
    score_threshold: float,
    facts: Mapping[str, Any],
    notes: tuple[str, ...] = (),
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Scores answers one by one, and makes the report of all.

    Args:
        pairs: each record of the benchmark once, with its answer.
        facts: provenance of the run besides threshold, time and data.
        notes: notes for the reader.
        progress: called with the number of instructions done so far.

    Raises:
        InputError: there is no pair, or none has an answer.
    """
    scores: list[InstructionScore] = []
    statuses: list[str] = []
    unanswered: list[tuple[str, str]] = []
    seconds, fingerprint = 0.0, _Fingerprint()
    for record, answer in pairs:
        scores.append(score_answer(record, answer, score_threshold))
        statuses.append(answer.status)
        if answer.status == UNANSWERED:
            unanswered.append((record.id, answer.reason))
        fingerprint.add(record)
        seconds += answer.seconds
        if progress is not None:
            progress(len(scores))
    if not scores:
        raise InputError(f"nothing to score: {benchmark.name} gave no instruction that has a prediction")
    if len(unanswered) == len(scores):
        raise InputError(
            f"none of the {len(scores)} instructions of {benchmark.name} could be answered; the first: "
            f"{unanswered[0][1]}"
        )
    notes = (*notes, *_truncated_note(statuses), *benchmark.tally.lines())
    measured = {"score_threshold": score_threshold, "seconds": round(seconds, 3), "data": fingerprint.text()}
    intervals = {
        name: [interval.low, interval.high] for name, interval in bootstrap_intervals(scores).items()
    }
    summary = {**summarise(scores), "intervals": intervals}
    provenance = {**facts, **measured, "versions": versions()}
    return Report(benchmark.name, summary, provenance, notes, tuple(scores), tuple(unanswered))


class _Fingerprint:
    """A hash of the records that were scored, which shows whether two reports are about the same data."""

    def __init__(self) -> None:
        self._hash = sha256()

    def add(self, record: Record) -> None:
        self._hash.update(json.dumps(record_to_dict(record), sort_keys=True).encode())

    def text(self) -> str:
        return f"sha256 {self._hash.hexdigest()[:12]}"


def _truncated_note(statuses: Sequence[str]) -> tuple[str, ...]:
    cut = sum(status == "truncated" for status in statuses)
    return (
        (f"{cut} of {len(statuses)} answers were truncated before every phrase was written",) if cut else ()
    )
