"""Decisions of people from the JSON export of Label Studio.

Each annotation of a task becomes one opinion. Several annotators decide by majority, and without one nothing is
decided. Regions are matched to objects by their note, and otherwise by their overlap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from instructsam.engine.candidates import RowOutcome
from instructsam.engine.review.decisions import HumanDecision, review_digest
from instructsam.engine.review.label_studio_regions import RowRegions, read_opinion
from instructsam.engine.review.queue import ReviewItem
from instructsam.engine.review.report import MAX_PROBLEMS
from instructsam.engine.rows import ImageRow
from instructsam.errors import InputError
from instructsam.structures.checks import describe, parse_json
from instructsam.structures.files import reason
from instructsam.structures.safe_text import one_line


@dataclass
class LabelStudioReport:
    """Counts of an import.

    Attributes:
        tasks: with an annotation.
        annotations: that were read.
        undecided: annotations that were cancelled or have no decision.
        single, unanimous, majority, split: tasks with one opinion, with equal ones, with most of them equal, and with
            none that most annotators share; the last stay in the queue.
        unreadable: annotations with regions or texts that cannot be used.
        problems: the first of these in words.
    """

    tasks: int = 0
    annotations: int = 0
    undecided: int = 0
    single: int = 0
    unanimous: int = 0
    majority: int = 0
    split: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report for a terminal."""
        several = self.unanimous + self.majority + self.split
        found = [
            f"Label Studio: {self.tasks} tasks, {self.annotations} annotations ({self.undecided} undecided, "
            f"{self.unreadable} unreadable)"
        ]
        if several:
            found.append(
                f"several annotators: {several} tasks, {self.unanimous} unanimous, {self.majority} by majority, "
                f"{self.split} split and not decided"
            )
        return [*found, *self.problems]


def read_export(path: Path) -> dict[str, list[Mapping[str, Any]]]:
    """The tasks of an export by their candidate.

    Raises:
        InputError: the file cannot be read, or is no JSON export of tasks that the engine made.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the export cannot be read ({reason(error)})") from error
    tasks = parse_json(content, str(path))
    if not isinstance(tasks, list):
        raise InputError(f"{path}: expected a list of tasks (export as JSON), got {describe(tasks)}")
    found: dict[str, list[Mapping[str, Any]]] = {}
    for number, task in enumerate(tasks, start=1):
        data = task.get("data") if isinstance(task, dict) else None
        if not isinstance(data, dict) or not isinstance(task.get("annotations"), list):
            raise InputError(
                f"{path}, task {number}: expected data and annotations, got others: export as JSON, not as JSON-MIN"
            )
        if not all(isinstance(data.get(key), str) and data[key] for key in ("candidate", "digest")):
            raise InputError(
                f"{path}, task {number}: expected a task that the engine made, with candidate and digest"
            )
        found.setdefault(data["candidate"], []).append(task)
    return found


def label_studio_decisions(
    tasks: Mapping[str, list[Mapping[str, Any]]],
    finished: Iterable[tuple[ImageRow, RowOutcome]],
    report: LabelStudioReport,
) -> dict[str, HumanDecision]:
    """One decision per candidate with an opinion; `import_decisions` checks and keeps them.

    A task about an earlier version of its candidate, or about an unknown one, becomes a decision too, so that
    `import_decisions` counts it.

    Args:
        tasks: see `read_export`.
        finished: rows and outcomes of the engine.
        report: is counted on.
    """
    decisions: dict[str, HumanDecision] = {}
    current: set[str] = set()
    for row, outcome in finished:
        seen = outcome.with_objects(row)
        regions: RowRegions | None = None
        for engine in outcome.decisions:
            candidate = engine.candidate
            digest = review_digest(seen, candidate)
            fitting = [task for task in tasks.get(candidate.id, ()) if task["data"]["digest"] == digest]
            if not fitting:
                continue
            current.add(candidate.id)
            regions = regions or RowRegions(seen)
            item = ReviewItem(seen, engine, "review")
            opinions = [found for task in fitting for found in _opinions(task, regions, item, report)]
            if (decision := _majority(_without_copies(opinions), report)) is not None:
                decisions[candidate.id] = decision
    for name in tasks:
        if name not in current and any(task["annotations"] for task in tasks[name]):
            decisions[name] = HumanDecision(name, tasks[name][-1]["data"]["digest"], "skip")
    return decisions


def _opinions(
    task: Mapping[str, Any], regions: RowRegions, item: ReviewItem, report: LabelStudioReport
) -> list[HumanDecision]:
    """The opinion of each annotation that can be used."""
    report.tasks += bool(task["annotations"])
    found = []
    for annotation in task["annotations"]:
        report.annotations += 1
        try:
            opinion = read_opinion(annotation, regions, item)
        except InputError as error:
            report.unreadable += 1
            if len(report.problems) < MAX_PROBLEMS:
                report.problems.append(one_line(f"{item.id}: {error}"))
            continue
        report.undecided += opinion is None
        if opinion is not None:
            found.append(opinion)
    return found


def _without_copies(opinions: list[HumanDecision]) -> list[HumanDecision]:
    """The opinions without those that stand there twice, as in joined exports: equal ones of the same time."""
    return [one for place, one in enumerate(opinions) if not one.time or one not in opinions[:place]]


def _majority(opinions: list[HumanDecision], report: LabelStudioReport) -> HumanDecision | None:
    """The opinion of more than half of the annotators, with the masks of the first of them; None without one."""
    if not opinions:
        return None
    kinds = [(one.action, one.instruction, one.phrases, len(one.added)) for one in opinions]
    kind, count = Counter(kinds).most_common(1)[0]
    chosen = opinions[kinds.index(kind)]
    if len(opinions) == 1:
        report.single += 1
        return chosen
    if 2 * count <= len(opinions):
        report.split += 1
        return None
    if count == len(opinions):
        report.unanimous += 1
    else:
        report.majority += 1
    agreeing = [one.reviewer for one, other in zip(opinions, kinds, strict=True) if other == kind]
    return replace(chosen, reviewer=", ".join(name for name in agreeing if name))
