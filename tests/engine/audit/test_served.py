from __future__ import annotations

import json

import pytest

from instructsam.engine.audit.confusion import ConfusionRow
from instructsam.engine.audit.error_rates import ErrorRates
from instructsam.engine.audit.served_run import ServedAudit, ServedReport, audit_served
from instructsam.engine.audit.simulated import SimulatedVLM
from instructsam.engine.audit.simulated_run import audit_config
from instructsam.engine.ledger.store import MemoryStore
from instructsam.engine.runners.stop import Stop
from instructsam.engine.stages.base import Correction, Pictures, Reply, VLMStage
from instructsam.engine.tasks import Task
from instructsam.errors import ServiceError

AUDIT = ServedAudit(scenes=8, votes=(1, 3), thresholds=(0.5, 1.0))
NO_ERRORS = ErrorRates(**dict.fromkeys(ErrorRates.model_fields, 0.0))


class Counted:
    """A model that counts its calls."""

    name = "counted"

    def __init__(self, model: SimulatedVLM) -> None:
        self.model, self.calls = model, 0

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        self.calls += 1
        return await self.model.reply(stage, task, pictures, correction)


class Failing(Counted):
    """A server that is down."""

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        raise ServiceError("it is down")


def run(responder: Counted, ledger: MemoryStore | None = None) -> ServedReport:
    config = audit_config(6)
    return audit_served(config, responder, AUDIT, stop=Stop(), note=lambda _: None, ledger=ledger)


def rows_of(report: ServedReport, mistake: str) -> list[ConfusionRow]:
    return [row for row in report.confusion.rows if row.mistake == mistake]


def test_a_perfect_verifier_is_found_to_be_one() -> None:
    report = run(Counted(SimulatedVLM(NO_ERRORS)))
    assert all(row.right == row.count for row in report.confusion.rows), report.to_text()
    assert {row.question for row in report.confusion.rows} == {"vote", "exhaustive", "no_target", "words"}
    for row in report.table.rows:
        assert row.right.value is not None
        assert 0.25 < row.right.value < 0.75, "about half of the candidates are wrong"
        assert row.recall.value == 1.0
        assert row.precision.value is not None
        assert row.precision.value > 0.9, "only objects in wrong groups pass"


def test_a_verifier_that_agrees_with_everything_is_found_to_be_one() -> None:
    report = run(Counted(SimulatedVLM(NO_ERRORS.model_copy(update={"agreement": 1.0}))))
    wrong = [row for row in rows_of(report, "missing") if row.question in ("vote", "exhaustive")]
    assert wrong
    assert all(row.passed == row.count and row.right == 0 for row in wrong)
    (first, *_) = report.table.rows
    assert first.precision.value is not None
    assert first.right.value is not None
    assert first.precision.value == pytest.approx(first.right.value, abs=0.1)


def test_fewer_votes_cost_no_new_calls_and_audits_resume() -> None:
    responder, ledger = Counted(SimulatedVLM()), MemoryStore()
    report = run(responder, ledger)
    candidates = sum(row.count for row in report.confusion.rows if row.question == "words")
    assert candidates > 0
    answers = sum(row.count for row in report.confusion.rows)
    assert responder.calls >= answers
    calls = responder.calls
    assert run(responder, ledger).to_dict() == report.to_dict()
    assert responder.calls == calls
    assert json.loads(json.dumps(report.to_dict()))["confusion"]["rates"]["vote"] > 0


def test_a_server_that_is_down_is_reported() -> None:
    with pytest.raises(ServiceError, match="no usable reply about any scene"):
        run(Failing(SimulatedVLM()))
