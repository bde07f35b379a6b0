"""The same instructions on changed pictures: how much of each score is lost, with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instructsam.errors import InputError
from instructsam.evaluation.benchmark import Benchmark, Sample
from instructsam.evaluation.bootstrap import Difference, paired_differences
from instructsam.evaluation.metrics import InstructionScore
from instructsam.evaluation.perturb import PERTURBATIONS, LeftOutError, Perturbation
from instructsam.evaluation.predictions import PredictionFile
from instructsam.evaluation.report import format_rows, plain, versions
from instructsam.evaluation.runner import Mode, SegmenterLike, predict_all, score_answer, threshold_of

_SHOWN: tuple[tuple[str, str], ...] = (("giou", "gIoU"), ("set_giou", "set gIoU"), ("n_acc", "N-acc"))


@dataclass(frozen=True)
class Change:
    """One way to change the pictures.

    Attributes:
        name: key of `perturb.PERTURBATIONS`.
        instructions: how many were asked on the changed pictures.
        left_out: how many instructions have no known answer there, by reason.
        differences: by score: a untouched, b changed, both on the very same instructions.
    """

    name: str
    instructions: int
    left_out: Mapping[str, int]
    differences: Mapping[str, Difference]


@dataclass(frozen=True)
class Robustness:
    """What `instructsam robustness` prints."""

    benchmark: str
    instructions: int
    changes: tuple[Change, ...]
    provenance: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "benchmark": self.benchmark,
            "instructions": self.instructions,
            "changes": [asdict(change) for change in self.changes],
            "provenance": dict(self.provenance),
        }

    def to_text(self) -> str:
        """Markdown: a row per change and score; a star where the interval of the difference leaves out 0."""
        rows = [
            ["change", "n", "left out", "score", "untouched", "changed", "difference", "95% interval", ""]
        ]
        for change in self.changes:
            head = [change.name, str(change.instructions), str(sum(change.left_out.values()))]
            for key, title in _SHOWN:
                one = change.differences.get(key)
                if one is None:
                    continue
                low, high = one.interval.low, one.interval.high
                numbers = [f"{one.a:.3f}", f"{one.b:.3f}", f"{one.difference:+.3f}"]
                star = "*" if low > 0 or high < 0 else ""
                rows.append([*head, title, *numbers, f"{low:+.3f} to {high:+.3f}", star])
                head = ["", "", ""]
        reasons = [
            f"- {change.name}: left out {count}, {reason}"
            for change in self.changes
            for reason, count in change.left_out.items()
        ]
        facts = [f"- {key}: {plain(value)}" for key, value in self.provenance.items()]
        parts = [f"## {self.benchmark}, changed: {self.instructions} instructions", format_rows(rows)]
        return "\n\n".join([*parts, *("\n".join(lines) for lines in (reasons, facts) if lines)])


def measure(
    segmenter: SegmenterLike,
    benchmark: Benchmark,
    limit: int | None = None,
    phrases_given: bool = False,
    folder: Path | None = None,
    score_threshold: float | None = None,
    progress: Callable[[int], None] | None = None,
    provenance: Mapping[str, Any] | None = None,
    perturbations: Mapping[str, Perturbation] = PERTURBATIONS,
) -> Robustness:
    """Asks a benchmark's instructions on untouched and on changed pictures.

    Args:
        segmenter: model or baseline.
        benchmark: see `get_benchmark`.
        limit: only the first so many instructions.
        phrases_given: each instruction is its own phrase.
        folder: where the predictions of each run are kept, so that a stopped one goes on.
        score_threshold: which predictions count as kept; None: the segmenter's own.
        progress: called with the number of answers so far.
        provenance: what the report should also say; `model` also guards the stored predictions.
        perturbations: by name; see `perturb`.

    Raises:
        InputError: no instruction, or a folder with another run.
    """
    threshold = threshold_of(segmenter, score_threshold)
    mode: Mode = "direct" if phrases_given else "generate"
    given = dict(provenance or {})
    run = _Run(segmenter, benchmark.name, mode, threshold, folder, str(given.get("model", "")), progress)
    untouched = {score.id: score for score in run.scores("untouched", benchmark.iterate(limit))}
    if not untouched:
        raise InputError(f"nothing to change: {benchmark.name} has no instruction")
    changes = []
    for name, perturbation in perturbations.items():
        left_out: Counter[str] = Counter()
        changed = run.scores(name, _changed(benchmark.iterate(limit), perturbation, left_out))
        same = [untouched[score.id] for score in changed]
        differences = paired_differences(same, changed) if changed else {}
        changes.append(Change(name, len(changed), dict(left_out), differences))
    facts = {**given, "mode": mode, "score_threshold": threshold, "limit": limit, "versions": versions()}
    return Robustness(benchmark.name, len(untouched), tuple(changes), facts)


def _changed(
    samples: Iterator[Sample], perturbation: Perturbation, left_out: Counter[str]
) -> Iterator[Sample]:
    """The changed samples."""
    for image, record in samples:
        try:
            yield perturbation(image, record)
        except LeftOutError as reason:
            left_out[str(reason)] += 1


@dataclass
class _Run:
    """Answers and scores samples, and counts the answers over all of them."""

    segmenter: SegmenterLike
    benchmark: str
    mode: Mode
    threshold: float
    folder: Path | None
    model: str
    progress: Callable[[int], None] | None
    done: int = 0

    def scores(self, name: str, samples: Iterator[Sample]) -> Sequence[InstructionScore]:
        store = None
        if self.folder is not None:
            header = {"benchmark": f"{self.benchmark}, {name}", "mode": self.mode, "model": self.model}
            file = name.replace(" ", "_").replace("%", "")
            store = PredictionFile(self.folder / f"{file}.jsonl", header)
        found = []
        try:
            for record, answer in predict_all(self.segmenter, samples, self.mode, store):
                found.append(score_answer(record, answer, self.threshold))
                self.done += 1
                if self.progress is not None:
                    self.progress(self.done)
        finally:
            if store is not None:
                store.close()
        return found
