from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from instructsam.engine.audit.error_rates import ErrorRates
from instructsam.engine.audit.replay import SimulatedTasks, replay
from instructsam.engine.audit.simulated import SimulatedVLM
from instructsam.engine.audit.simulated_run import SimulatedAudit, audit_config, audit_simulated
from instructsam.engine.audit.truth import truth_of, world_rows
from instructsam.engine.candidates import KINDS, NO_TARGET, parse_candidate
from instructsam.engine.flow import process_row
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.propose import ProposeSettings
from instructsam.engine.stages.base import BrokenReplyError, VLMStage
from instructsam.engine.stages.table import build_stages
from instructsam.engine.tasks import Task
from instructsam.errors import InputError

NO_ERRORS = ErrorRates(**dict.fromkeys(ErrorRates.model_fields, 0.0))


@pytest.fixture(scope="module")
def rows() -> list[ImageRow]:
    return list(world_rows("val", 12))


def stage(name: str) -> VLMStage:
    found = build_stages(audit_config(10))[name]
    assert isinstance(found, VLMStage)
    return found


def proposals(vlm: SimulatedVLM, row: ImageRow) -> list[dict[str, object]]:
    task = Task("propose", row)
    found: list[dict[str, object]] = stage("propose").data(task, vlm.answer(stage("propose"), task).text)[
        "candidates"
    ]
    return found


def test_a_model_without_errors_is_always_accepted(rows: list[ImageRow]) -> None:
    config = audit_config(10)
    tasks = SimulatedTasks(build_stages(config), SimulatedVLM(NO_ERRORS))
    kinds: Counter[str] = Counter()
    for row in rows:
        for decision in replay(process_row(row, config), tasks).decisions:
            assert (decision.state, decision.candidate.round) == ("accepted", 0), decision
            kinds[decision.candidate.kind] += 1
    assert set(kinds) == set(KINDS)


def test_replies_depend_on_seed_and_task_alone(rows: list[ImageRow]) -> None:
    first, again, other = SimulatedVLM(seed=1), SimulatedVLM(seed=1), SimulatedVLM(seed=2)
    texts = [
        [vlm.answer(stage("propose"), Task("propose", row)).text for row in rows] for vlm in (first, other)
    ]
    assert texts[0] != texts[1]
    assert (
        texts[0]
        == [again.answer(stage("propose"), Task("propose", row)).text for row in reversed(rows)][::-1]
    )


def test_wrong_proposals_come_at_their_rate(rows: list[ImageRow]) -> None:
    vlm = SimulatedVLM(NO_ERRORS.model_copy(update={"proposal": 0.5, "no_target": 1.0}), picture_size=None)
    mistakes: Counter[str | None] = Counter()
    for row in rows:
        for value in proposals(vlm, row):
            candidate = parse_candidate(value)
            found = truth_of(row).mistake(candidate)
            if candidate.kind in NO_TARGET:
                assert found == "target"
            else:
                mistakes[found] += 1
    assert {"", "missing", "too many", "swapped"} <= set(mistakes)
    assert 0.4 < mistakes[""] / mistakes.total() < 0.6


def test_broken_replies_are_right_at_the_second_try(rows: list[ImageRow]) -> None:
    vlm = SimulatedVLM(NO_ERRORS.model_copy(update={"broken": 1.0}))
    (proposal, *_) = proposals(SimulatedVLM(NO_ERRORS), rows[0])
    task = Task("vote", rows[0], {"candidate": proposal})
    reply = vlm.answer(stage("vote"), task)
    with pytest.raises(BrokenReplyError):
        stage("vote").data(task, reply.text)
    part = SimulatedTasks({"vote": stage("vote")}, vlm)(task)
    assert part.data == {"numbers": list(parse_candidate(proposal).numbers)}
    assert part.usage.input_tokens > 1.9 * reply.usage.input_tokens, "both tries are paid"


def test_false_agreement_is_a_property_of_the_mistake(rows: list[ImageRow]) -> None:
    """With full agreement no wrong proposal is found, however many votes are cast."""
    rates = NO_ERRORS.model_copy(update={"proposal": 1.0, "agreement": 1.0})
    config = audit_config(10)
    config = config.model_copy(
        update={"verify": config.verify.model_copy(update={"votes": 7, "threshold": 1.0})}
    )
    tasks = SimulatedTasks(build_stages(config), SimulatedVLM(rates))
    for row in rows[:4]:
        decisions = replay(process_row(row, config), tasks).decisions
        assert {decision.state for decision in decisions} == {"accepted"}
        assert any(truth_of(row).mistake(decision.candidate) for decision in decisions)


def test_the_model_knows_scenes_and_its_own_instructions_alone(rows: list[ImageRow]) -> None:
    vlm = SimulatedVLM()
    with pytest.raises(InputError, match="scene_seed"):
        vlm.answer(stage("propose"), Task("propose", replace(rows[0], meta={})))
    phrase = {"text": "dog", "numbers": [1]}
    unknown = {"id": "a", "kind": "category", "instruction": "dogs", "phrases": [phrase]}
    task = Task("vote", rows[0], {"candidate": unknown})
    with pytest.raises(InputError, match="only its own instructions"):
        vlm.answer(stage("vote"), task)


def test_more_votes_find_more_mistakes() -> None:
    table = audit_simulated(
        SimulatedAudit(
            scenes=12,
            votes=(1, 5),
            thresholds=(0.5, 0.6),
            error_rates=(0.2,),
            rounds=(0,),
            rates=ErrorRates(proposal=0.4, no_target=0.4, correlation=0.0, agreement=0.0),
            prices=(1.0, 2.0),
        )
    )
    one, five = table.rows
    assert (one.setting.needed, five.setting.needed) == (1, 3), "0.5 and 0.6 need the same votes"
    assert one.right == five.right
    assert one.precision.value is not None
    assert five.precision.value is not None
    assert one.right.value is not None
    assert one.right.value < one.precision.value <= five.precision.value
    assert one.recall.value is not None
    assert five.recall.value is not None
    assert one.recall.value < five.recall.value
    assert one.cost is not None
    assert five.cost is not None
    assert one.cost.calls < five.cost.calls
    assert "3 of 5" in table.to_text()
    assert json.loads(json.dumps(table.to_dict()))["rows"][1]["setting"]["votes"] == 5


def test_proposals_follow_the_settings(rows: list[ImageRow]) -> None:
    vlm = SimulatedVLM(NO_ERRORS, propose=ProposeSettings(kinds=("category", "absent"), per_image=4))
    found = json.loads(vlm.answer(stage("propose"), Task("propose", rows[1])).text)["instructions"]
    assert Counter(item["kind"] for item in found) == {"category": 2, "absent": 2}
