"""The audit of a served model on drawn scenes: it verifies candidates whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instructsam.engine.audit.confusion import Confusion, confusion_of
from instructsam.engine.audit.counts import RowCounts, count_row, sum_counts
from instructsam.engine.audit.examination import Answers, Examinee, Subsample, examinees, questions
from instructsam.engine.audit.replay import replay
from instructsam.engine.audit.simulated_run import config_choices
from instructsam.engine.audit.table import AuditRow, AuditTable, audit_row, setting_of
from instructsam.engine.candidates import RowOutcome
from instructsam.engine.flow import Flow
from instructsam.engine.ledger.store import MemoryStore, PartStore
from instructsam.engine.rounds import decide
from instructsam.engine.row_images import DrawnImages
from instructsam.engine.rows import ImageRow
from instructsam.engine.runners.local import run_local
from instructsam.engine.runners.stop import Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import Responder, Stage
from instructsam.engine.stages.pictures import RowPictures
from instructsam.engine.stages.propose import ProposeStage
from instructsam.engine.stages.table import build_stages
from instructsam.engine.world_rows import world_rows
from instructsam.errors import ConfigError, ServiceError

ORDERS = 8  # in which votes are taken out of all


@dataclass(frozen=True)
class ServedAudit:
    """The settings of an audit of a served model.

    Attributes:
        scenes: of the split `world/SPLIT`.
        votes: of the table; the largest number is cast about every candidate.
        thresholds: of the table.
        seed: of the candidates.
        split: of the world.
    """

    scenes: int = 50
    votes: tuple[int, ...] = (1, 3, 5)
    thresholds: tuple[float, ...] = (0.5, 0.75, 1.0)
    seed: int = 0
    split: str = "val"


@dataclass(frozen=True)
class ServedReport:
    """The end of an audit of a served model.

    Attributes:
        table: precision and recall by votes and threshold, without revisions.
        confusion: of the model's answers.
        stopped: why it ended before its last scene; "" if it did not.
    """

    table: AuditTable
    confusion: Confusion
    stopped: str

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**self.table.to_dict(), "confusion": self.confusion.to_dict(), "stopped": self.stopped}

    def to_text(self) -> str:
        """Markdown: the confusion matrix, then the table."""
        notes = [f"stopped early: {self.stopped}"] if self.stopped else []
        return "\n\n".join([self.confusion.to_text(), self.table.to_text(), *notes])


def audit_served(
    config: EngineConfig,
    responder: Responder,
    audit: ServedAudit = ServedAudit(),
    *,
    stop: Stop,
    note: Callable[[str], None],
    ledger: PartStore | None = None,
    **options: Any,
) -> ServedReport:
    """Let a model verify candidates about drawn scenes, and count its right and wrong answers.

    Every question is put, whether or not the engine would come to it: one run gives the results of every number of
    votes and every threshold.

    Args:
        config: prompts, limits and prices; its group `propose` decides the candidates of a scene.
        responder: the model.
        stop, note, options: of `run_local`, such as `progress`.
        ledger: receives the answers, so that a stopped audit resumes; None for one in memory.

    Raises:
        ServiceError: the server is unreachable, or gave no usable reply.
        ConfigError: a number is out of range.
    """
    stages = build_stages(config)
    choices = config_choices(config, (0,), audit.votes, audit.thresholds)
    rows = list(world_rows(audit.split, audit.scenes, audit.seed))
    candidates = {row.id: examinees(row, _proposer(stages), audit.seed) for row in rows}
    votes = max(audit.votes)

    def examine(row: ImageRow, config: EngineConfig) -> Flow:
        """All questions about a row at once."""
        yield [task for one in candidates[row.id] for task in questions(one, votes, config.verify)]
        return RowOutcome(row.id, ())

    pictures = RowPictures(DrawnImages(), config.propose.max_side)
    store = ledger if ledger is not None else MemoryStore()
    responders = dict.fromkeys(stages, responder)
    report = run_local(
        rows, config, stages, responders, pictures, store, stop=stop, note=note, process=examine, **options
    )
    answers, complete = _answers(candidates, stages, config, votes, store)
    if not complete:
        reasons = "; ".join([*report.failures, *([report.stopped] if report.stopped else [])])
        raise ServiceError(f"{responder.name} gave no usable reply about any scene: {reasons}")
    table = tuple(_table_row(choice, complete, answers, votes) for choice in choices)
    facts = _facts(audit, config, responder, complete, len(rows))
    confusion = confusion_of([one for some in complete.values() for one in some], answers)
    return ServedReport(AuditTable(table, facts), confusion, report.stopped)


def _proposer(stages: Mapping[str, Stage]) -> ProposeStage:
    stage = stages["propose"]
    if not isinstance(stage, ProposeStage):
        raise ConfigError(f"the stage 'propose' must be a ProposeStage, got {type(stage).__name__}")
    return stage


def _answers(
    candidates: Mapping[str, Sequence[Examinee]],
    stages: Mapping[str, Stage],
    config: EngineConfig,
    votes: int,
    store: PartStore,
) -> tuple[Answers, dict[str, Sequence[Examinee]]]:
    """The answers about the rows of which all questions are answered, and the candidates of these rows."""
    answers, complete = Answers(), {}
    for name, some in candidates.items():
        tasks = [(one, task) for one in some for task in questions(one, votes, config.verify)]
        parts = [store.get(task.key(stages[task.stage].fingerprint)) for _, task in tasks]
        if not tasks or None in parts:
            continue
        complete[name] = some
        for (one, task), part in zip(tasks, parts, strict=True):
            if part is not None:
                answers.parts[one.candidate.id, task.stage, task.number] = part
    return answers, complete


def _table_row(
    config: EngineConfig, complete: Mapping[str, Sequence[Examinee]], answers: Answers, votes: int
) -> AuditRow:
    """The result of a configuration: the mean over several choices of its votes among all that were cast."""
    orders = 1 if config.verify.votes == votes else ORDERS
    found = [
        _count(config, some, Subsample(answers, order, votes))
        for order in range(orders)
        for some in complete.values()
    ]
    prices = (config.vlm.input_price, config.vlm.output_price)
    return audit_row(setting_of(config), _by_row(found, len(complete)), prices)


def _count(config: EngineConfig, some: Sequence[Examinee], perform: Subsample) -> RowCounts:
    row = some[0].row
    proposals = [one.candidate for one in some]
    decisions = tuple(replay(decide(row, candidate, config), perform) for candidate in proposals)
    return count_row(row, proposals, RowOutcome(row.id, decisions), perform.used)


def _by_row(found: Sequence[RowCounts], rows: int) -> list[RowCounts]:
    """The sums over all orders of each row, since images are resampled whole."""
    return [sum_counts(found[place::rows]) for place in range(rows)]


def _facts(
    audit: ServedAudit,
    config: EngineConfig,
    responder: Responder,
    complete: Mapping[str, Sequence[Examinee]],
    rows: int,
) -> dict[str, Any]:
    return {
        "verifier": responder.name,
        "scenes": f"{len(complete)} of {rows} of world/{audit.split}, seed {audit.seed}",
        "candidates": f"{sum(map(len, complete.values()))}, about half of them wrong on purpose",
        "votes": f"{max(audit.votes)} about each candidate; fewer are taken out of them, {ORDERS} times",
        "calls and tokens": "of the verifier alone",
        "prices per million tokens": f"input {config.vlm.input_price:g}, output {config.vlm.output_price:g}",
    }
