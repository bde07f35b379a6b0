"""A new operation is one class and one entry of the table: it gets instructions with right answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from instructsam.errors import InputError
from instructsam.world.instructions.generate import instructions_about
from instructsam.world.instructions.negatives import hard_negatives
from instructsam.world.language.speaker import Speaker
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.modified import Modified
from instructsam.world.programs.operation import Operation, Proposal, Subject
from instructsam.world.programs.operations import OPERATIONS, from_dict
from instructsam.world.programs.program import Program
from instructsam.world.programs.proposer import Proposer
from instructsam.world.scenes.facts import Facts, ObjectFact
from tests.world.random_facts import random_facts

ALIKE = ("color", "size")


@dataclass(frozen=True)
class Twin(Modified):
    """The objects of `source` with another one of their kind that is `alike`."""

    alike: str

    links = ("",)

    def select(self, facts: Facts) -> list[ObjectFact]:
        counts = Counter((fact.kind, getattr(fact, self.alike)) for fact in facts.objects)
        source = self.source.select(facts)
        return [fact for fact in source if counts[fact.kind, getattr(fact, self.alike)] > 1]

    def modifier_phrase(self) -> str:
        return f"with twin of same {self.alike}"

    def modifier(self, speaker: Speaker) -> str:
        return f"with a twin of the same {self.alike}"


def propose(draw: Proposer, subject: Subject, absent: bool) -> Program:
    return Twin(subject.source, ALIKE[int(draw.rng.integers(2))])


OPERATION = Operation(
    Twin,
    (Proposal("spatial", 2.0, propose),),
    choices={"alike": ALIKE},
    swaps={"alike": ({name: (name,) for name in ALIKE},)},
)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATIONS, "twin", OPERATION)


def twins(facts: Facts, data: dict[str, Any]) -> set[int]:
    """The answer by plain loops."""
    alike, source = data["alike"], data["source"]
    found = {
        one.index
        for one in facts.seen.objects
        for other in facts.seen.objects
        if one.index != other.index and one.kind == other.kind
        if getattr(one, alike) == getattr(other, alike)
    }
    while source["op"] == "filter":
        found = {i for i in found if getattr(facts.objects[i], source["attribute"]) == source["value"]}
        source = source["source"]
    return found


def test_it_gets_instructions_with_right_answers() -> None:
    sizes, templates = Counter[bool](), set[str]()
    for seed in range(40):
        facts = random_facts(seed)
        for made in instructions_about(facts, np.random.default_rng(seed), 8, "val", ("spatial",)):
            data, (phrase,) = made.program["phrases"][0], made.phrases
            if data["op"] == "twin":
                assert set(phrase.instances) == twins(facts, data)
                assert from_dict(data).answer(facts) == phrase.instances
                assert phrase.text.endswith(f" with twin of same {data['alike']}")
                assert f"with a twin of the same {data['alike']}" in made.text.lower()
                sizes[bool(phrase.instances)] += 1
                templates.add(made.template)
    assert min(sizes[True], sizes[False]) >= 20, sizes
    assert len(templates) > 20


def test_its_hard_negatives_differ_in_its_own_word() -> None:
    changed = 0
    for seed in range(24):
        facts = random_facts(seed)
        if len(facts.seen.objects) < 3:
            continue
        for made in hard_negatives(facts, np.random.default_rng(seed), 2, "test"):
            before, after = made.original.split(), made.text.split()
            changed += {tuple(pair) for pair in zip(before, after, strict=True) if pair[0] != pair[1]} <= {
                ("color", "size"),
                ("size", "color"),
            }
    assert changed > 0


def test_it_is_stored_and_checked() -> None:
    assert Twin(All(), "size").to_dict() == {"op": "twin", "source": {"op": "all"}, "alike": "size"}
    with pytest.raises(InputError, match="'alike' of op 'twin' must be one of color, size, got 'kind'"):
        from_dict({"op": "twin", "source": {"op": "all"}, "alike": "kind"})
