"""Whatever the parts say, a flow ends, stays within its limits, and gives the same decisions again."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from instructsam.engine.candidates import candidate_to_dict, outcome_to_dict, parse_outcome
from instructsam.engine.flow import process_row
from instructsam.engine.reasons import REASON_CODES
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.tasks import Task
from tests.engine.scripted_flow import (
    NO_PROBLEM,
    OTHER_WORDS,
    UNUSABLE,
    WORDS,
    drive,
    make_candidate,
    make_config,
    make_row,
)

OBJECTS = 3


class Whims:
    """Parts that depend on the task alone, and on nothing sensible."""

    def __init__(self, seed: int, candidates: int) -> None:
        self.seed, self.candidates = seed, candidates

    def __call__(self, task: Task) -> dict[str, Any]:
        random = Random(f"{self.seed} {task.key('')}")
        if random.random() < 0.05:
            return UNUSABLE
        numbers = [number for number in range(1, OBJECTS + 1) if random.random() < 0.4]
        return {
            "propose": lambda: {
                "candidates": [self._candidate(random, index) for index in range(self.candidates)]
            },
            "words": lambda: random.choice([NO_PROBLEM, NO_PROBLEM, {"problem": "ambiguous", "note": "?"}]),
            "vote": lambda: {"numbers": random.choice([self._claimed(task), numbers])},
            "exhaustive": lambda: self._more(random, numbers),
            "no_target": lambda: self._more(random, numbers),
            "reground": lambda: {"set_giou": random.random(), "found": 2, "phrases": []},
            "revise": lambda: {"candidate": random.choice([None, *[self._candidate(random, 0)] * 5])},
        }[task.stage]()

    def _candidate(self, random: Random, index: int) -> dict[str, Any]:
        numbers = [number for number in range(1, OBJECTS + 2) if random.random() < 0.3]
        found = candidate_to_dict(make_candidate(*numbers, index=index))
        return {**found, "instruction": random.choice([*WORDS, *OTHER_WORDS, "mask 3"])}

    def _claimed(self, task: Task) -> list[int]:
        return [number for phrase in task.subject["candidate"]["phrases"] for number in phrase["numbers"]]

    def _more(self, random: Random, numbers: list[int]) -> dict[str, Any]:
        return {
            "numbers": random.choice([[], numbers]),
            "unmarked": random.random() < 0.2,
            "note": "something",
        }


configs = st.builds(
    lambda votes, threshold, rounds, flags, unmarked, reground: make_config(
        verify={
            "votes": votes,
            "threshold": threshold,
            "rounds": rounds,
            "words": flags[0],
            "exhaustive": flags[1],
            "no_target": flags[2],
            "shuffle": flags[3],
            "unmarked": unmarked,
        },
        reground={"model": "sam3:folder" if reground else "", "min_set_giou": 0.3},
    ),
    st.integers(1, 7),
    st.floats(0.01, 1),
    st.integers(0, 10),
    st.tuples(*[st.booleans()] * 4),
    st.sampled_from(["revise", "review", "reject"]),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(configs, st.integers(0, 2**32), st.integers(0, 5))
def test_flows_end_within_their_limits(config: EngineConfig, seed: int, count: int) -> None:
    row, whims = make_row(OBJECTS), Whims(seed, count)
    outcome, waves = drive(process_row(row, config), whims)
    assert parse_outcome(outcome_to_dict(outcome)) == outcome
    if outcome.skipped:
        assert outcome.decisions == ()
        return
    assert [decision.candidate.id for decision in outcome.decisions] == [f"row#{i}" for i in range(count)]
    tasks = [task for wave in waves for task in wave]
    keys = [task.key("") for task in tasks]
    assert len(set(keys)) == len(keys), "no task is performed twice"
    per_round = config.verify.votes + 4  # words, exhaustive or no_target, reground, revise
    for decision in outcome.decisions:
        asked = [
            task for task in tasks if task.subject.get("candidate", {}).get("id") == decision.candidate.id
        ]
        assert len(asked) == decision.questions <= per_round * (config.verify.rounds + 1)
        assert sum(task.stage == "revise" for task in asked) <= config.verify.rounds
        assert (decision.state == "accepted") == (decision.reason == "")
        assert decision.reason == "" or decision.code in REASON_CODES
        assert len(decision.history) == decision.candidate.round <= config.verify.rounds
        if decision.state == "accepted":
            assert set(decision.candidate.numbers) <= set(range(1, OBJECTS + 1))
            assert decision.votes["votes"] <= config.verify.votes * (decision.candidate.round + 1)
    again, repeated = drive(process_row(row, config), whims)
    assert (again, [[t.key("") for t in wave] for wave in repeated]) == (
        outcome,
        [[t.key("") for t in wave] for wave in waves],
    )


@settings(max_examples=50, deadline=None)
@given(configs, st.integers(0, 2**32))
def test_candidates_do_not_depend_on_their_neighbours(config: EngineConfig, seed: int) -> None:
    row, whims = make_row(OBJECTS), Whims(seed, 4)
    together, _ = drive(process_row(row, config), whims)

    def alone(index: int) -> Any:
        def answer(task: Task) -> dict[str, Any]:
            found = whims(task)
            return {"candidates": found["candidates"][index : index + 1]} if "candidates" in found else found

        return drive(process_row(row, config), answer)[0].decisions

    if not together.skipped:
        assert together.decisions == tuple(decision for index in range(4) for decision in alone(index))
