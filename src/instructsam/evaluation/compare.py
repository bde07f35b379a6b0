"""Two runs on the same instructions: the difference of each score, with its interval from a paired bootstrap."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instructsam.errors import InputError
from instructsam.evaluation.benchmark import Benchmark
from instructsam.evaluation.bootstrap import Difference, paired_differences
from instructsam.evaluation.predictions import read_header
from instructsam.evaluation.report import format_rows, score_titles
from instructsam.evaluation.runner import rescore


@dataclass(frozen=True)
class Comparison:
    """What `instructsam compare` prints.

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
        """Ready for JSON."""
        return {**asdict(self), "differences": {name: asdict(one) for name, one in self.differences.items()}}

    def to_text(self) -> str:
        """Markdown: a row per score; a star where the interval of the difference leaves out 0."""
        titles = score_titles()
        rows = [["score", "A", "B", "B - A", "95% interval", "", "P(B > A)"]]
        for name, one in self.differences.items():
            low, high = one.interval.low, one.interval.high
            numbers = [f"{one.a:.3f}", f"{one.b:.3f}", f"{one.difference:+.3f}", f"{low:+.3f} to {high:+.3f}"]
            rows.append(
                [titles.get(name, name), *numbers, "*" if low > 0 or high < 0 else "", f"{one.better:.2f}"]
            )
        head = f"## {self.benchmark}: {self.instructions} instructions"
        who = "\n".join(
            f"- {letter}: {run}, score threshold {threshold:g}"
            for letter, run, threshold in zip("AB", self.runs, self.thresholds, strict=True)
        )
        notes = [f"Note: {note}" for note in self.notes]
        return "\n\n".join([head, who, format_rows(rows), *notes])


def predictions_file(run: str | Path) -> Path:
    """The predictions of a run: the file itself, or predictions.jsonl in its folder.

    Raises:
        InputError: there is none.
    """
    path = Path(run)
    path = path / "predictions.jsonl" if path.is_dir() else path
    if not path.is_file():
        raise InputError(
            f"no predictions at {str(path)!r}: name a predictions.jsonl, or the --out folder of instructsam evaluate"
        )
    return path


def stored_threshold(predictions: Path) -> float:
    """The threshold of the run, from the report.json beside its predictions.

    Raises:
        InputError: there is no such report.
    """
    report = predictions.with_name("report.json")
    try:
        return float(json.loads(report.read_text(encoding="utf-8"))["provenance"]["score_threshold"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{report} does not say the score threshold of the run: give it with --score-threshold"
        ) from error


def benchmark_name(predictions: Path) -> str:
    """Which benchmark the predictions are of."""
    return read_header(predictions).get("benchmark", "")


def compare(
    a: Path, b: Path, benchmark: Benchmark, thresholds: tuple[float, float], resamples: int = 1000
) -> Comparison:
    """The differences of two predictions files on the instructions that both answer.

    Raises:
        InputError: the files are not of this benchmark, or share no instruction.
    """
    reports = [rescore(path, benchmark, at) for path, at in zip((a, b), thresholds, strict=True)]
    known = [{score.id: score for score in report.scores} for report in reports]
    both = known[0].keys() & known[1].keys()
    if not both:
        raise InputError(f"{a} and {b} share no instruction; compare runs over the same records")
    notes = list(dict.fromkeys(note for report in reports for note in report.notes if "left out" in note))
    if alone := len(known[0].keys() ^ known[1].keys()):
        notes.append(f"{alone} instructions are answered by one run only and not counted")
    first, second = ([scores[name] for name in both] for scores in known)
    differences = paired_differences(first, second, resamples)
    return Comparison(benchmark.name, len(both), (str(a), str(b)), thresholds, differences, tuple(notes))
