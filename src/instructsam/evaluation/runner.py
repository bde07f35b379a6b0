"""Runs a model or baseline on a benchmark, stores its answers, and scores them.

Every model and baseline is called in the same way: one call per image with all instructions about it, for ALL
ranked candidates; the score threshold is applied here, so that AP sees the whole ranking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.reports.build import build_report
from instructsam.evaluation.reports.report import Report
from instructsam.evaluation.runs.answer_store import AnswerStore
from instructsam.evaluation.runs.answers import Answer, predict_all, threshold_of
from instructsam.evaluation.runs.content import RecordContent, answer_settings
from instructsam.evaluation.runs.predictions import PredictionFile
from instructsam.evaluation.runs.shards import merge_parts
from instructsam.structures.answering import AnyAnswerer, Mode, takes_records
from instructsam.structures.locks import FolderLock

__all__ = [
    "Answer",
    "changed_note",
    "evaluate",
    "header_facts",
    "mode_of",
    "predict_all",
    "run_header",
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
    report and scored as wrong (docs/metrics.md), and the run continues.

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
        store: AnswerStore | None = None
        notes: tuple[str, ...] = ()
        if predictions_path is not None:
            path = Path(predictions_path)
            if path.parent.is_dir():  # else PredictionFile gives the message
                stack.enter_context(FolderLock(path.parent))
            notes = merge_parts(path, header)  # of a run with several processes that was stopped
            file = stack.enter_context(PredictionFile(path, header))
            notes += file.notes
            store = AnswerStore(file, RecordContent(benchmark.folder, takes_records(segmenter)))
        pairs = predict_all(segmenter, benchmark.load(limit), mode, store, warn)
        report = build_report(benchmark, pairs, threshold, facts, notes, progress)
    return replace(report, notes=(*report.notes, *changed_note(store)))


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


def changed_note(store: AnswerStore | None) -> tuple[str, ...]:
    """A note on stored answers that no longer belong to their records."""
    if store is None or not store.changed:
        return ()
    return (
        f"{len(store.changed)} stored answers were to another instruction or picture under the same id and were "
        "predicted again",
    )
