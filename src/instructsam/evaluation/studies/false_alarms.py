"""The rate of false alarms: on empty images, and for names of things that are absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.absent_things import ABSENT, alarm_benchmark
from instructsam.evaluation.reports.report import versions
from instructsam.evaluation.reports.tables import cell, plain
from instructsam.evaluation.runner import mode_of, predict_all, run_header
from instructsam.evaluation.runs.answer_store import open_answer_store
from instructsam.evaluation.runs.answers import Answer, threshold_of
from instructsam.evaluation.runs.content import RecordContent
from instructsam.structures.answering import Answerer
from instructsam.structures.checks import check_count
from instructsam.structures.locks import FolderLock
from instructsam.structures.tables import format_rows, wilson


@dataclass(frozen=True)
class Alarms:
    """False alarms on one type of image.

    Attributes:
        kind: key of `world.blank.BLANK_KINDS`, or `ABSENT`.
        asked: number of answered instructions, one per image.
        unanswered: number of instructions that the model could not answer; no share counts them.
        alarms: number of answers with at least one instance at the threshold.
        mean_best: mean of the highest score of any candidate, 0 without a candidate; None where none was answered.
    """

    kind: str
    asked: int
    alarms: int
    mean_best: float | None
    unanswered: int = 0

    @property
    def share(self) -> float | None:
        """Of the answered; None where there are none."""
        return self.alarms / self.asked if self.asked else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95% interval of the share."""
        return wilson(self.alarms, self.asked) if self.asked else None


@dataclass(frozen=True)
class FalseAlarms:
    """The report of `instructsam false-alarms`."""

    rows: tuple[Alarms, ...]
    provenance: Mapping[str, Any]

    @property
    def unanswered(self) -> int:
        """Instructions that the model could not answer."""
        return sum(row.unanswered for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        rows = [
            {
                "kind": row.kind,
                "asked": row.asked,
                "alarms": row.alarms,
                "share": row.share,
                "interval": row.interval and list(row.interval),
                "mean_best": row.mean_best,
                "unanswered": row.unanswered,
            }
            for row in self.rows
        ]
        return {"rows": rows, "provenance": dict(self.provenance)}

    def to_text(self) -> str:
        """Markdown: a row per type of picture."""
        rows = [["picture", "asked", "alarms ↓", "share ↓", "95% interval", "mean best score ↓"]]
        for row in self.rows:
            interval = "-" if row.interval is None else "{:.3f} to {:.3f}".format(*row.interval)
            shares = [cell(row.share), cell(row.mean_best)]
            rows.append([row.kind, str(row.asked), str(row.alarms), shares[0], interval, shares[1]])
        facts = [f"- {key}: {plain(value)}" for key, value in self.provenance.items()]
        facts += [f"- {row.kind}: {row.unanswered} unanswered" for row in self.rows if row.unanswered]
        return "\n\n".join(["## False alarms", format_rows(rows), "\n".join(facts)])


def count_false_alarms(
    segmenter: Answerer,
    count: int = 200,
    phrases_given: bool = False,
    score_threshold: float | None = None,
    progress: Callable[[int], None] | None = None,
    provenance: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    warn: Callable[[str], None] | None = None,
) -> FalseAlarms:
    """Count answers to instructions for things that are not there.

    Args:
        segmenter: model or baseline.
        count: how many empty pictures, and how many scenes.
        phrases_given: each instruction is its own phrase.
        score_threshold: which candidates are an answer; None: the segmenter's own.
        progress: called with the number of answers so far.
        provenance: further facts for the report.
        folder: where the predictions are kept, so that a stopped run resumes.
        warn: called with a line for each instruction that is unanswered.

    Raises:
        InputError: `count` is not positive, or the folder holds another run.
    """
    check_count(count, "count")
    threshold = threshold_of(segmenter, score_threshold)
    mode, benchmark = mode_of(phrases_given), alarm_benchmark(count)
    best: dict[str, list[float | None]] = {}
    with ExitStack() as stack:
        if folder is not None:
            stack.enter_context(FolderLock(folder))
        header = run_header(segmenter, benchmark.name, mode, provenance)
        path = None if folder is None else folder / "predictions.jsonl"
        store = stack.enter_context(open_answer_store(path, header, RecordContent(None)))
        answered = predict_all(segmenter, benchmark.load(), mode, store, warn)
        for done, (record, answer) in enumerate(answered, start=1):
            best.setdefault(record.family, []).append(_best_score(answer))
            if progress is not None:
                progress(done)
    if all(score is None for scores in best.values() for score in scores):
        raise InputError("none of the instructions could be answered")
    everywhere = [score for kind, scores in best.items() if kind != ABSENT for score in scores]
    rows = [_row(kind, scores, threshold) for kind, scores in best.items() if kind != ABSENT]
    rows += [_row("all empty pictures", everywhere, threshold), _row(ABSENT, best[ABSENT], threshold)]
    facts = {**(provenance or {}), "mode": mode, "score_threshold": threshold, "versions": versions()}
    return FalseAlarms(tuple(rows), facts)


def _best_score(answer: Answer) -> float | None:
    """-1 without a candidate, so that a threshold of 0 does not count it; None where there is no answer."""
    if answer.reason:
        return None
    return float(answer.scores.max()) if len(answer.scores) else -1.0


def _row(kind: str, best: list[float | None], threshold: float) -> Alarms:
    scores = np.array([score for score in best if score is not None], dtype=np.float64)
    alarms = int(np.count_nonzero(scores >= threshold))
    mean = float(np.maximum(scores, 0).mean()) if len(scores) else None
    return Alarms(kind, len(scores), alarms, mean, len(best) - len(scores))
