"""The way of a row and of its candidates, on every path, with scripted parts."""

from __future__ import annotations

from typing import Any

import pytest

from instructsam.engine.candidates import RowOutcome, outcome_to_dict, parse_outcome
from instructsam.engine.flow import outcome_fingerprint, process_row
from instructsam.engine.reasons import REASON_CODES
from instructsam.engine.tasks import Task
from tests.engine.scripted_flow import (
    NOTHING,
    OTHER_WORDS,
    UNUSABLE,
    drive,
    make_candidate,
    make_config,
    make_row,
    reworded,
    scripted,
)

ONE = make_candidate(1, 3)
NONE = make_candidate(kind="near_miss")


def stages(outcome_and_waves: tuple[RowOutcome, Any]) -> list[str]:
    return [task.stage for wave in outcome_and_waves[1] for task in wave]


def run(candidate: Any = ONE, config: Any = None, **script: Any) -> tuple[RowOutcome, Any]:
    return drive(process_row(make_row(), config or make_config()), scripted([candidate], **script))


def test_an_accepted_candidate_passes_the_cheapest_checks_first() -> None:
    outcome, waves = run()
    (decision,) = outcome.decisions
    assert (decision.state, decision.reason, decision.candidate) == ("accepted", "", ONE)
    assert stages((outcome, waves)) == ["propose", "words", "vote", "vote", "exhaustive"]
    assert decision.votes == {"words": 1.0, "votes": 2, "agreement": 1.0, "exhaustive": 1.0}
    assert decision.named == {1: 1.0, 3: 1.0}
    assert decision.questions == 4
    assert parse_outcome(outcome_to_dict(outcome)) == outcome


def test_without_target_the_last_question_is_another_one() -> None:
    assert stages(run(NONE)) == ["propose", "words", "vote", "vote", "no_target"]


def test_checks_can_be_left_out() -> None:
    config = make_config(verify={"votes": 1, "words": False, "exhaustive": False, "no_target": False})
    assert stages(run(ONE, config)) == ["propose", "vote"]
    assert stages(run(NONE, config)) == ["propose", "vote"]


NO_ROUNDS = {"rounds": 0}


@pytest.mark.parametrize(
    ("candidate", "script", "reason"),
    [
        (ONE, {"words": {"problem": "leak", "note": "mask 3"}}, "leak: mask 3"),
        (ONE, {"words": UNUSABLE}, "no reply: words: it refuses"),
        (ONE, {"vote": {"numbers": [1]}}, "votes: 0 of 2 agree, others name 1"),
        (ONE, {"vote": UNUSABLE}, "votes: 0 of 2 agree, others name unusable reply"),
        (ONE, {"exhaustive": {**NOTHING, "numbers": [4, 1]}}, "not exhaustive: 4"),
        (ONE, {"exhaustive": {**NOTHING, "unmarked": True, "note": "a cup"}}, "unmarked object: a cup"),
        (ONE, {"exhaustive": UNUSABLE}, "no reply: exhaustive: it refuses"),
        (NONE, {"no_target": {**NOTHING, "numbers": [2]}}, "target found: 2"),
        (NONE, {"no_target": {**NOTHING, "unmarked": True, "note": "a cup"}}, "target found: a cup"),
        (NONE, {"vote": {"numbers": [2]}}, "votes: 0 of 2 agree, others name 2"),
        (NONE, {"no_target": UNUSABLE}, "no reply: no_target: it refuses"),
    ],
)
def test_a_failed_check_without_rounds_goes_to_review(candidate: Any, script: Any, reason: str) -> None:
    outcome, waves = run(candidate, make_config(verify=NO_ROUNDS), **script)
    (decision,) = outcome.decisions
    assert (decision.state, decision.reason) == ("review", reason)
    assert decision.code in REASON_CODES
    assert "revise" not in stages((outcome, waves))


def test_a_leaked_number_costs_no_question() -> None:
    leaking = make_candidate(1)
    revision = reworded(leaking, OTHER_WORDS[0], 1)["candidate"]
    leaking = type(leaking)(leaking.id, leaking.kind, "segment mask 3 beside the plate", leaking.phrases)
    outcome, waves = run(leaking, revise={"candidate": revision})
    (decision,) = outcome.decisions
    assert decision.state == "accepted"
    assert stages((outcome, waves))[:3] == ["propose", "revise", "words"]
    assert decision.history[0]["reason"].startswith("leak: ")


def test_the_reason_is_fed_back_until_the_rounds_are_used() -> None:
    seen: list[Task] = []

    def revise(task: Task) -> dict[str, Any]:
        seen.append(task)
        return reworded(ONE, OTHER_WORDS[len(seen)], 1, 3)

    config = make_config(verify={"rounds": 3})
    outcome, _ = run(ONE, config, vote={"numbers": [2]}, revise=revise)
    (decision,) = outcome.decisions
    assert (decision.state, decision.code, decision.candidate.round) == ("review", "votes", 3)
    assert [task.subject["reason"] for task in seen] == ["votes: 0 of 2 agree, others name 2"] * 3
    assert [len(task.subject["history"]) for task in seen] == [0, 1, 2]
    assert [task.subject["candidate"]["round"] for task in seen] == [0, 1, 2]
    assert [past["instruction"] for past in decision.history] == [ONE.instruction, *OTHER_WORDS[1:3]]
    assert decision.questions == 4 * 3 + 3


def test_a_revision_that_passes_is_accepted_with_its_history() -> None:
    votes = [{"numbers": [2]}, {"numbers": [1]}, {"numbers": [2]}, {"numbers": [2]}]
    outcome, _ = run(ONE, vote=votes, revise=reworded(ONE, OTHER_WORDS[0], 2))
    (decision,) = outcome.decisions
    assert (decision.state, decision.candidate.numbers, decision.candidate.id) == ("accepted", (2,), ONE.id)
    assert decision.history[0]["reason"] == "votes: 0 of 2 agree, others name 2; 1"
    assert decision.named == {2: 1.0}, "of the last round alone"


@pytest.mark.parametrize(
    ("ballots", "state", "cast"),
    [
        ([[2], [2], [2], [2]], "accepted", 4),
        ([[2], [1], [2], [2], [2]], "accepted", 5),
        ([[2], [1], [2], [1]], "review", 4),
    ],
)
def test_votes_about_the_same_words_count_in_all_rounds(
    ballots: list[list[int]], state: str, cast: int
) -> None:
    votes = [{"numbers": ballot} for ballot in ballots]
    config = make_config(verify={"rounds": 1})
    outcome, waves = run(ONE, config, vote=votes, revise=reworded(ONE, f" {ONE.instruction}", 2))
    (decision,) = outcome.decisions
    assert (decision.state, decision.votes["votes"]) == (state, cast)
    numbers = [task.number for wave in waves for task in wave if task.stage == "vote"]
    assert numbers == list(range(cast)), "a vote is never cast again"


def test_the_reviser_cannot_take_another_id_or_round() -> None:
    revised = reworded(ONE, OTHER_WORDS[0], 2)
    revised["candidate"] |= {"id": "row#7", "round": 9}
    outcome, _ = run(ONE, vote=[{"numbers": [2]}] * 4, revise=revised)
    assert (outcome.decisions[0].candidate.id, outcome.decisions[0].candidate.round) == (ONE.id, 1)


@pytest.mark.parametrize(
    ("revision", "state", "reason"),
    [
        ({"candidate": None}, "rejected", "given up: not exhaustive: 4"),
        (UNUSABLE, "rejected", "unusable: no usable revision after not exhaustive: 4"),
        (
            reworded(ONE, f"  {ONE.instruction.upper()} ", 3, 1),
            "review",
            "repeated: same wording and numbers after not exhaustive: 4",
        ),
        (
            reworded(ONE, OTHER_WORDS[0], 1, 9),
            "rejected",
            "unusable: there are 4 objects, and none has the number 9",
        ),
        (
            reworded(ONE, OTHER_WORDS[0]),
            "rejected",
            "unusable: an instruction of the kind category names nothing",
        ),
        (reworded(ONE, " ", 1), "rejected", "unusable: there is no instruction or no phrase"),
    ],
)
def test_revisions_that_lead_nowhere(revision: Any, state: str, reason: str) -> None:
    outcome, _ = run(ONE, exhaustive={**NOTHING, "numbers": [4]}, revise=revision)
    assert (outcome.decisions[0].state, outcome.decisions[0].reason) == (state, reason)


@pytest.mark.parametrize(
    ("policy", "state"), [("review", "review"), ("reject", "rejected"), ("revise", "rejected")]
)
def test_an_unmarked_object(policy: str, state: str) -> None:
    config = make_config(verify={"unmarked": policy})
    outcome, waves = run(ONE, config, exhaustive={**NOTHING, "unmarked": True, "note": "a cup"})
    assert outcome.decisions[0].state == state
    assert ("revise" in stages((outcome, waves))) == (policy == "revise")


def test_reground_comes_last_and_compares_with_the_threshold() -> None:
    reground = {"model": "sam3:folder", "min_set_giou": 0.5}
    config = make_config(reground=reground, verify=NO_ROUNDS)
    assert stages(run(ONE, config))[-2:] == ["exhaustive", "reground"]
    low = {"set_giou": 0.31, "found": 3, "phrases": [0.31]}
    outcome, _ = run(ONE, config, reground=low)
    assert outcome.decisions[0].reason == "re-ground: set gIoU 0.31 of 3 segmented objects, below 0.5"
    others = make_config(reground={**reground, "kinds": ["attribute"]})
    assert "reground" not in stages(run(ONE, others))


def test_candidates_of_a_row_run_side_by_side() -> None:
    proposed = [make_candidate(1, index=0), make_candidate(2, index=1), make_candidate(index=2)]

    def vote(task: Task) -> dict[str, Any]:
        return {"numbers": [] if task.subject["candidate"]["id"] == "row#2" else [1]}

    outcome, waves = drive(process_row(make_row(), make_config()), scripted(proposed, vote=vote))
    assert [sorted({task.stage for task in wave}) for wave in waves] == [
        ["propose"],
        ["words"],
        ["vote"],
        ["exhaustive", "no_target", "revise"],
    ]
    assert [(d.candidate.id, d.state) for d in outcome.decisions] == [
        ("row#0", "accepted"),
        ("row#1", "rejected"),
        ("row#2", "accepted"),
    ]


def test_objects_are_named_and_detected_once() -> None:
    detecting = make_config(source={"data": "photos", "detector": "sam3:folder"})
    found = outcome_to_dict(RowOutcome("row", (), make_row(3).instances))["detected"]
    script = {"name": {"concepts": ["mug"]}, "detect": {"instances": found, "scores": [0.9] * 3}}
    outcome, waves = drive(process_row(make_row(0), detecting), scripted([ONE], **script))
    assert stages((outcome, waves))[:3] == ["name", "detect", "propose"]
    assert waves[1][0].subject == {"concepts": ["mug"]}
    assert {len(task.row.instances) for wave in waves[2:] for task in wave} == {3}
    assert outcome.with_objects(make_row(0)).instances == make_row(3).instances
    assert parse_outcome(outcome_to_dict(outcome)) == outcome
    named = make_config(source={"data": "photos", "detector": "sam3:folder", "concepts": ["cup"]})
    outcome, waves = drive(process_row(make_row(0), named), scripted([ONE], **script))
    assert stages((outcome, waves))[:2] == ["detect", "propose"]
    outcome, waves = drive(process_row(make_row(2), detecting), scripted([make_candidate(1)], **script))
    assert stages((outcome, waves))[0] == "propose", "a row with objects needs no detector"


@pytest.mark.parametrize(
    ("count", "groups", "script", "skipped"),
    [
        (0, {}, {}, "no objects: neither the source nor a detector has any"),
        (41, {}, {}, "too many objects: 41, of at most 40 (propose.max_objects)"),
        (1, {"propose": {"kinds": ["order"]}}, {}, "no objects: 1 is too few for each kind in propose.kinds"),
        (4, {}, {"propose": UNUSABLE}, "unusable: propose: it refuses"),
        (0, {"source": {"data": "photos", "detector": "x"}}, {"name": UNUSABLE}, "no objects: neither"),
        (
            0,
            {"source": {"data": "photos", "detector": "x"}},
            {"name": {"concepts": []}},
            "no objects: neither",
        ),
    ],
)
def test_skipped_rows_have_a_reason(count: int, groups: Any, script: Any, skipped: str) -> None:
    outcome, _ = drive(process_row(make_row(count), make_config(**groups)), scripted([ONE], **script))
    assert outcome.decisions == ()
    assert outcome.skipped.startswith(skipped)
    assert parse_outcome(outcome_to_dict(outcome)) == outcome


def test_dropped_proposals_are_counted() -> None:
    outcome, _ = run(propose={"candidates": [], "dropped": {"numbers": 2}})
    assert outcome.dropped == {"numbers": 2}


def test_a_row_without_proposals_is_finished() -> None:
    outcome, _ = drive(process_row(make_row(), make_config()), scripted([]))
    assert outcome == RowOutcome("row", ())


def test_the_fingerprint_of_outcomes() -> None:
    prints = {"vote": "a", "words": "b"}
    base = outcome_fingerprint(prints, make_config())
    assert base == outcome_fingerprint(dict(reversed(prints.items())), make_config(output_dir="elsewhere"))
    assert base == outcome_fingerprint(
        prints, make_config(vlm={"model": "small", "url": "http://y/v1", "concurrency": 3})
    )
    changed = [
        outcome_fingerprint({**prints, "vote": "c"}, make_config()),
        outcome_fingerprint({"vote": "a"}, make_config()),
        outcome_fingerprint(prints, make_config(verify={"threshold": 0.9})),
        outcome_fingerprint(prints, make_config(verify={"unmarked": "reject"})),
        outcome_fingerprint(prints, make_config(reground={"min_set_giou": 0.9})),
        outcome_fingerprint(prints, make_config(propose={"max_objects": 3})),
    ]
    assert len({base, *changed}) == 7
