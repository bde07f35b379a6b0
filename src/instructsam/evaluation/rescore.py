"""Scores stored predictions again, without a model: another threshold, or metrics that are new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from instructsam.data.record import Record
from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.benchmarks.names import is_same_benchmark
from instructsam.evaluation.reports.build import build_report
from instructsam.evaluation.reports.report import Report
from instructsam.evaluation.runner import header_facts
from instructsam.evaluation.runs.answers import Answer
from instructsam.evaluation.runs.predictions import by_id, last_line_is_cut, read_header, read_predictions
from instructsam.evaluation.runs.stored_prediction import StoredPrediction
from instructsam.structures.checks import check_fraction, check_path


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
    report = build_report(benchmark, pairs(), score_threshold, facts)
    notes = list(report.notes)
    if changed:
        notes.insert(
            0, f"{changed} stored answers are for another instruction or image size and are left out"
        )
    if last_line_is_cut(predictions_path):
        notes.insert(0, f"{predictions_path}: the last line was cut off and is left out")
    if absent:
        least = "at least " if benchmark.texts is None else ""
        notes.insert(0, f"{least}{absent} instructions of the benchmark are not in the predictions file")
    return replace(report, notes=tuple(notes))


def _answers(item: StoredPrediction, record: Record) -> bool:
    """Whether a stored line is for this instruction and image size."""
    size = (record.image.height, record.image.width)
    return item.instruction.split() == record.instruction.split() and item.size == size
