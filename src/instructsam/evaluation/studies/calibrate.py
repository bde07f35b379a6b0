"""Choice of the score threshold, on scenes that are neither trained on nor reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.benchmarks.names import get_benchmark
from instructsam.evaluation.metrics.registry import METRICS
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.table import summarise
from instructsam.evaluation.reports.tables import cell
from instructsam.evaluation.runner import mode_of, run_header
from instructsam.evaluation.runs.answer_store import open_answer_store
from instructsam.evaluation.runs.answers import predict_all
from instructsam.evaluation.runs.content import RecordContent
from instructsam.evaluation.runs.score_answer import score_answer
from instructsam.structures.answering import AnyAnswerer
from instructsam.structures.locks import FolderLock
from instructsam.structures.tables import format_rows

CALIBRATION = "world/calibration"
THRESHOLDS: tuple[float, ...] = tuple(round(0.05 * step, 2) for step in range(1, 19))

_KEYS = ("set_giou", "giou", "n_acc")

Row = tuple[float, float | None, float | None, float | None]


@dataclass(frozen=True)
class Calibration:
    """Scores at each threshold: set gIoU, gIoU and N-acc in [0, 1], None where they are undefined.

    `best` has the highest set gIoU. It counts no-target instructions at their own share; a mean with N-acc would favour
    an answer of nothing at all. `unanswered` records count as wrong at every threshold.
    """

    rows: tuple[Row, ...]
    unanswered: int = 0

    @property
    def best(self) -> float:
        """The threshold to ship."""
        return max(self.rows, key=lambda row: (-1.0 if row[1] is None else row[1], row[0]))[0]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"rows": self.rows, "best": self.best, "unanswered": self.unanswered}

    def to_text(self) -> str:
        """A Markdown table."""
        table = [["threshold", *(METRICS[key].heading for key in _KEYS)]]
        for threshold, *scores in self.rows:
            table.append([f"{threshold:.2f}", *map(cell, scores)])
        lines = [format_rows(table), "", f"best: {self.best:.2f}"]
        if self.unanswered:
            lines.append(f"unanswered, counted as wrong: {self.unanswered}")
        return "\n".join(lines)


def calibrate(
    segmenter: AnyAnswerer,
    phrases_given: bool,
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
    benchmark: Benchmark | None = None,
    folder: Path | None = None,
    provenance: Mapping[str, Any] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Calibration:
    """Answer the calibration scenes once and score the answers at every threshold.

    Args:
        segmenter: model or baseline.
        phrases_given: each instruction is its own phrase.
        limit: only the first so many instructions.
        progress: called with the number of instructions done so far.
        benchmark: other scenes than the calibration split.
        folder: where the predictions are kept, so that a stopped run resumes.
        provenance: as of `evaluate`.
        warn: called with a line for each record that is unanswered.

    Raises:
        InputError: no instruction, or the folder holds another run.
    """
    scores: dict[float, list[InstructionScore]] = {threshold: [] for threshold in THRESHOLDS}
    chosen = get_benchmark(CALIBRATION) if benchmark is None else benchmark
    chosen.check(limit)
    mode = mode_of(phrases_given)
    with ExitStack() as stack:
        if folder is not None:
            stack.enter_context(FolderLock(folder))
        header = run_header(segmenter, chosen.name, mode, provenance)
        path = None if folder is None else folder / "predictions.jsonl"
        store = stack.enter_context(open_answer_store(path, header, RecordContent(chosen.folder)))
        answered = predict_all(segmenter, chosen.load(limit), mode, store, warn)
        for done, (record, answer) in enumerate(answered, start=1):
            for threshold, kept in scores.items():
                kept.append(score_answer(record, answer, threshold))
            if progress is not None:
                progress(done)
    if not scores[THRESHOLDS[0]]:
        raise InputError(f"nothing to calibrate on: {chosen.name} has no instruction")
    tables = {threshold: summarise(kept)["overall"] for threshold, kept in scores.items()}
    rows = tuple(
        (threshold, table["set_giou"], table["giou"], table["n_acc"]) for threshold, table in tables.items()
    )
    return Calibration(rows, tables[THRESHOLDS[0]]["unanswered"])
