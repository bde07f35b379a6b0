"""Scores on changed images against untouched ones, on the same instructions, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark, Loaded
from instructsam.evaluation.benchmarks.perturbations import PERTURBATIONS, LeftOutError, Perturbation
from instructsam.evaluation.metrics.bootstrap import Difference, paired_differences
from instructsam.evaluation.metrics.registry import headline_metrics
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.reports.report import versions
from instructsam.evaluation.reports.tables import cell, plain
from instructsam.evaluation.runner import mode_of, predict_all, run_header
from instructsam.evaluation.runs.answer_store import open_answer_store
from instructsam.evaluation.runs.answers import threshold_of
from instructsam.evaluation.runs.content import ContentOf, RecordContent
from instructsam.evaluation.runs.score_answer import score_answer
from instructsam.evaluation.studies.compare import difference_cells
from instructsam.structures.answering import Answerer, Mode
from instructsam.structures.file_names import safe_file_name
from instructsam.structures.locks import FolderLock
from instructsam.structures.safe_text import for_markdown, one_line
from instructsam.structures.tables import Clean, format_rows


@dataclass(frozen=True)
class Change:
    """One way to change the images.

    Attributes:
        name: key of `perturb.PERTURBATIONS`.
        instructions: how many were answered on the changed pictures.
        unanswered: how many of them the model could not answer; they count as wrong.
        left_out: how many instructions have no known answer there, by reason.
        differences: by score: a untouched, b changed, both on the very same instructions.
    """

    name: str
    instructions: int
    unanswered: int
    left_out: Mapping[str, int]
    differences: Mapping[str, Difference]


@dataclass(frozen=True)
class Robustness:
    """The report of `instructsam robustness`."""

    benchmark: str
    instructions: int
    changes: tuple[Change, ...]
    provenance: Mapping[str, Any]

    @property
    def unanswered(self) -> int:
        """Records that the model could not answer, over all changes."""
        return sum(change.unanswered for change in self.changes)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "benchmark": self.benchmark,
            "instructions": self.instructions,
            "changes": [asdict(change) for change in self.changes],
            "provenance": dict(self.provenance),
        }

    def to_text(self) -> str:
        """A row per change and score, '-' where undefined; a star where the interval leaves out 0. For a terminal."""
        return self._parts(one_line)

    def to_markdown(self) -> str:
        """The same as Markdown; what a file holds."""
        return self._parts(for_markdown)

    def _parts(self, clean: Clean) -> str:
        rows = [
            ["change", "n", "left out", "score", "untouched", "changed", "difference", "95% interval", ""]
        ]
        for change in self.changes:
            head = [change.name, str(change.instructions), str(sum(change.left_out.values()))]
            for metric in headline_metrics():
                found = change.differences.get(metric.key)
                numbers = ["-", "-"] if found is None else [cell(found.a), cell(found.b)]
                rows.append([*head, metric.heading, *numbers, *difference_cells(found)])
                head = ["", "", ""]
        reasons = [
            f"- {clean(change.name)}: left out {count}, {clean(reason)}"
            for change in self.changes
            for reason, count in change.left_out.items()
        ]
        reasons += [
            f"- {clean(change.name)}: {change.unanswered} unanswered, counted as wrong"
            for change in self.changes
            if change.unanswered
        ]
        facts = [f"- {clean(key)}: {plain(value, clean)}" for key, value in self.provenance.items()]
        parts = [
            f"## {clean(self.benchmark)}, changed: {self.instructions} instructions",
            format_rows(rows, clean),
        ]
        return "\n\n".join([*parts, *("\n".join(lines) for lines in (reasons, facts) if lines)])


def measure(
    segmenter: Answerer,
    benchmark: Benchmark,
    limit: int | None = None,
    phrases_given: bool = False,
    folder: Path | None = None,
    score_threshold: float | None = None,
    progress: Callable[[int], None] | None = None,
    provenance: Mapping[str, Any] | None = None,
    perturbations: Mapping[str, Perturbation] = PERTURBATIONS,
    warn: Callable[[str], None] | None = None,
) -> Robustness:
    """Answers a benchmark's instructions on untouched and on changed pictures.

    Args:
        segmenter: model or baseline.
        benchmark: see `get_benchmark`.
        limit: only the first so many instructions.
        phrases_given: each instruction is its own phrase.
        folder: where the predictions of each run are kept, so that a stopped one resumes.
        score_threshold: which predictions count as kept; None: the segmenter's own.
        progress: called with the number of answers so far.
        provenance: further facts for the report; `model` also guards the stored predictions.
        perturbations: by name; see `perturb`.
        warn: called with a line for each record that is unanswered.

    Raises:
        InputError: no instruction, none that can be answered, or a folder with another run.
    """
    benchmark.check(limit)
    threshold = threshold_of(segmenter, score_threshold)
    mode = mode_of(phrases_given)
    given = dict(provenance or {})
    header = run_header(segmenter, benchmark.name, mode, given)
    run = _Run(
        segmenter,
        header,
        RecordContent(benchmark.folder, whole=True),
        mode,
        threshold,
        folder,
        progress,
        warn,
    )
    with nullcontext() if folder is None else FolderLock(folder):
        untouched = run.untouched(benchmark, limit)
        changes = []
        for name, perturbation in perturbations.items():
            left_out: Counter[str] = Counter()
            changed = run.scores(name, _changed(benchmark.load(limit), perturbation, left_out))
            same = [untouched[score.id] for score in changed]
            differences = paired_differences(same, changed) if changed else {}
            unanswered = sum(not score.answered for score in changed)
            changes.append(Change(name, len(changed), unanswered, dict(left_out), differences))
    facts = {**given, "mode": mode, "score_threshold": threshold, "limit": limit, "versions": versions()}
    return Robustness(benchmark.name, len(untouched), tuple(changes), facts)


def _changed(
    samples: Iterator[Loaded], perturbation: Perturbation, left_out: Counter[str]
) -> Iterator[Loaded]:
    """The changed samples; a sample without an image stays as it is."""
    for image, record in samples:
        if isinstance(image, InputError):
            yield image, record
            continue
        try:
            yield perturbation(image, record)
        except LeftOutError as reason:
            left_out[str(reason)] += 1


@dataclass
class _Run:
    """Answers and scores samples, and counts the answers over all of them."""

    segmenter: Answerer
    header: Mapping[str, str]
    content_of: ContentOf
    mode: Mode
    threshold: float
    folder: Path | None
    progress: Callable[[int], None] | None
    warn: Callable[[str], None] | None
    done: int = 0

    def untouched(self, benchmark: Benchmark, limit: int | None) -> dict[str, InstructionScore]:
        """Scores on the pictures as they are, by id."""
        found = {score.id: score for score in self.scores("untouched", benchmark.load(limit))}
        if not found:
            raise InputError(f"nothing to change: {benchmark.name} has no instruction")
        if not any(score.answered for score in found.values()):
            raise InputError(f"none of the {len(found)} instructions of {benchmark.name} could be answered")
        return found

    def scores(self, name: str, samples: Iterator[Loaded]) -> Sequence[InstructionScore]:
        header = {**self.header, "benchmark": f"{self.header['benchmark']}, {name}"}
        file = safe_file_name(name.replace(" ", "_").replace("%", ""), ".jsonl")
        path = None if self.folder is None else self.folder / file
        found = []
        with open_answer_store(path, header, self.content_of) as store:
            for record, answer in predict_all(self.segmenter, samples, self.mode, store, self.warn):
                found.append(score_answer(record, answer, self.threshold))
                self.done += 1
                if self.progress is not None:
                    self.progress(self.done)
        return found
