"""Two runs on the same instructions: the difference of each score, with its interval from a paired bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.metrics.bootstrap import MAX_RESAMPLES, Difference, paired_differences
from instructsam.evaluation.metrics.registry import METRICS
from instructsam.evaluation.reports.tables import cell
from instructsam.evaluation.rescore import rescore
from instructsam.structures.checks import check_count
from instructsam.structures.safe_text import one_line
from instructsam.structures.tables import format_rows


@dataclass(frozen=True)
class Comparison:
    """The result of `instructsam compare`.

    Attributes:
        benchmark: its name.
        instructions: how many both runs answer.
        runs: where the predictions lie, A and B.
        thresholds: score thresholds of A and B.
        differences: by score; B minus A.
        notes: what the reader should know.
    """

    benchmark: str
    instructions: int
    runs: tuple[str, str]
    thresholds: tuple[float, float]
    differences: Mapping[str, Difference]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; a score that cannot be counted in both runs is null."""
        differences = {key: self.differences.get(key) for key in METRICS}
        return {
            **asdict(self),
            "differences": {key: found and asdict(found) for key, found in differences.items()},
        }

    def to_text(self) -> str:
        """Markdown: a row per score, '-' where it cannot be counted; a star where the interval leaves out 0."""
        rows = [["score", "A", "B", "B - A", "95% interval", "", "P(B better)"]]
        for key, metric in METRICS.items():
            found = self.differences.get(key)
            numbers = ["-", "-"] if found is None else [cell(found.a), cell(found.b)]
            better = "-" if found is None or found.better is None else f"{found.better:.2f}"
            rows.append([metric.heading, *numbers, *difference_cells(found), better])
        head = f"## {one_line(self.benchmark)}: {self.instructions} instructions"
        runs = "\n".join(
            f"- {letter}: {one_line(run)}, score threshold {threshold:g}"
            for letter, run, threshold in zip("AB", self.runs, self.thresholds, strict=True)
        )
        notes = [f"Note: {one_line(note)}" for note in self.notes]
        return "\n\n".join([head, runs, format_rows(rows), *notes])


def difference_cells(found: Difference | None) -> list[str]:
    """Difference, its 95% interval, and a star where that leaves out 0; '-' where they cannot be counted."""
    if found is None:
        return ["-", "-", ""]
    if found.interval is None:
        return [_signed(found.difference), "-", ""]
    interval = f"{_signed(found.interval.low)} to {_signed(found.interval.high)}"
    return [_signed(found.difference), interval, "*" if found.is_clear else ""]


def _signed(value: float) -> str:
    """A difference with its sign; as in `cell`, never "-0.000"."""
    return f"{round(value, 3) + 0.0:+.3f}"


def compare(
    a: Path, b: Path, benchmark: Benchmark, thresholds: tuple[float, float], resamples: int = 1000
) -> Comparison:
    """The differences of two predictions files on the instructions that both answer.

    Raises:
        InputError: the files are not of this benchmark, or share no instruction, or `resamples` is out of range.
    """
    check_count(resamples, "resamples", 1, MAX_RESAMPLES)
    reports = [rescore(path, benchmark, at) for path, at in zip((a, b), thresholds, strict=True)]
    known = [{score.id: score for score in report.scores} for report in reports]
    both = known[0].keys() & known[1].keys()
    if not both:
        raise InputError(f"{a} and {b} share no instruction; compare runs over the same records")
    notes = list(dict.fromkeys(note for report in reports for note in report.notes if "left out" in note))
    for letter, report in zip("AB", reports, strict=True):
        if unanswered := sum(name in both for name, _ in report.unanswered):
            notes.append(f"{letter} leaves {unanswered} instructions unanswered, counted as wrong")
    if alone := len(known[0].keys() ^ known[1].keys()):
        notes.append(f"{alone} instructions are answered by one run only and not counted")
    first, second = ([scores[name] for name in both] for scores in known)
    differences = paired_differences(first, second, resamples)
    return Comparison(benchmark.name, len(both), (str(a), str(b)), thresholds, differences, tuple(notes))
