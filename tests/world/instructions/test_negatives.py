"""Hard negatives differ from a true instruction in one word, and there is nothing to segment."""

from __future__ import annotations

import numpy as np
import pytest

from instructsam.errors import ConfigError
from instructsam.world.instructions.negatives import _swapped, hard_negatives
from instructsam.world.programs.operations import from_dict
from instructsam.world.scenes.facts import Facts
from tests.world.random_facts import random_facts

SCENES = [facts for facts in map(random_facts, range(24)) if len(facts.seen.objects) >= 2]


def test_one_word_differs_and_there_is_no_target() -> None:
    fields = set()
    for seed, facts in enumerate(SCENES):
        made = hard_negatives(facts, np.random.default_rng(seed), 4, "test")
        assert len({one.text for one in made}) == 4
        for one in made:
            before, after = one.original.split(), one.text.split()
            changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
            assert len(changed) == 1, one
            fields.add(changed[0][1].lower().strip(".,?"))
            assert [phrase.instances for phrase in one.phrases] == [()]
            program = from_dict(one.program["phrases"][0])
            assert program.answer(facts) == ()
            assert program.phrase() == one.phrases[0].text
    assert len(fields) > 20, "many different words are exchanged"


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        ("the mug on the table", ("mug",), ("key",), "the key on the table"),
        ("Mugs, please", ("mugs",), ("keys",), "Keys, please"),
        ("the coffee mug", ("mug",), ("key",), None),
        ("the table lamp by the chairs", ("table",), ("fork",), None),
        ("lower down than the bus", ("below", "lower"), ("above", "higher"), None),
        ("lower than the bus", ("below", "lower"), ("above", "higher"), "higher than the bus"),
        ("a mug", ("mug",), ("apple",), None),
        ("the mug left of the mug", ("mug",), ("key",), None),
    ],
)
def test_a_word_is_replaced_where_the_sentence_stays_correct(
    text: str, old: tuple[str, ...], new: tuple[str, ...], expected: str | None
) -> None:
    assert _swapped(text, "find", old, new) == expected


def test_hard_negatives_are_deterministic() -> None:
    first, second = (hard_negatives(SCENES[3], np.random.default_rng(1), 3, "test") for _ in range(2))
    assert first == second


def test_a_scene_without_objects_has_none() -> None:
    with pytest.raises(ConfigError, match="at least one visible object"):
        hard_negatives(Facts(()), np.random.default_rng(0), 1, "test")
