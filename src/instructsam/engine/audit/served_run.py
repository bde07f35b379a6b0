"""The audit of a served model on drawn scenes: it verifies candidates whose truth is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from instructsam.engine.audit.confusion import Confusion, confusion_of
from instructsam.engine.audit.counts import RowCounts, count_row
from instructsam.engine.audit.examination import Answers, Examinee, Subsample, examinees, questions
from instructsam.engine.audit.replay import replay
from instructsam.engine.audit.simulated_run import config_choices
from instructsam.engine.audit.table import AuditRow, AuditTable, audit_row, setting_of
from instructsam.engine.candidates import RowOutcome
from instructsam.engine.flow import side_by_side
from instructsam.engine.ledger.store import MemoryStore
from instructsam.engine.rounds import decide
from instructsam.engine.rows import ImageRow
from instructsam.engine.runners.perform import ModelFailedError, Performer, TaskFailedError
from instructsam.engine.runners.stop import RunStoppedError, Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import Pictures, Responder
from instructsam.engine.stages.propose import ProposeStage
from instructsam.engine.stages.table import build_stages
from instructsam.engine.tasks import Part, Task, Usage, unusable_data
from instructsam.engine.world_rows import world_rows
from instructsam.errors import ServiceError

ORDERS = 8  # in which votes are taken out of all
CORRECTIONS = 2  # of a broken reply


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
    pictures: Pictures,
    audit: ServedAudit = ServedAudit(),
    stop: Stop | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ServedReport:
    """Let a model verify candidates about drawn scenes, and count its right and wrong answers.

    Every question is put, whether or not the engine would come to it, so that one run gives the results for every
    number of votes and every threshold.

    Args:
        config: prompts, limits and prices; `propose` decides the candidates of a scene.
        responder: the model, of `config.verifier` or else `config.vlm`.
        pictures: of the rows of `world_rows`.
        stop: the same one as that of the responder.
        progress: called with the number of answered questions and of all.

    Raises:
        ServiceError: the model gives no usable reply at all.
        ConfigError, InputError: a number is out of range.
    """
    stages = build_stages(config)
    propose = stages["propose"]
    if not isinstance(propose, ProposeStage):
        raise TypeError(f"expected the stage that proposes, got {propose!r}")
    choices = config_choices(config, (0,), audit.votes, audit.thresholds)
    rows = list(world_rows(audit.split, audit.scenes, audit.seed))
    candidates = [one for row in rows for one in examinees(row, propose, audit.seed)]
    asked = [task for one in candidates for task in questions(one, max(audit.votes), config.verify)]
    responders = {name: responder for name in stages}
    store, stop = MemoryStore(), stop or Stop()
    with ThreadPoolExecutor() as threads:
        performer = Performer(
            stages, responders, pictures, store, stop, CORRECTIONS, threads, threads
        )
        answers = asyncio.run(_answer_all(asked, performer, _model(config).concurrency, progress))
    complete = [one for one in candidates if _is_complete(one, answers, asked)]
    if not complete:
        raise ServiceError(f"{responder.name} answered all questions about none of the candidates: {stop.reason}")
    table = [_table_row(choice, complete, answers, max(audit.votes)) for choice in choices]
    return ServedReport(AuditTable(tuple(table), _facts(audit, responder, complete)), confusion_of(complete, answers), stop.reason)
