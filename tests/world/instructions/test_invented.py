"""Instructions about things with invented names: there is no target, and nothing of the real name is left."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from instructsam.evaluation.benchmarks.absent_things import ABSENT_THINGS
from instructsam.world.instructions.instruction import Instruction, PhraseAnswer
from instructsam.world.instructions.invented import (
    KNOWN,
    SUITABLE_FAMILIES,
    invented_word,
    kinds_of,
    names_kind,
    renamed,
    with_invented_word,
    with_real_word,
)
from instructsam.world.language.lexicon import Noun
from instructsam.world.language.words import absent_nouns, mentioned_nouns
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.filter import Filter
from instructsam.world.splits.stream import WorldSample, WorldSettings
from tests.world.cached import sample

SETTINGS = WorldSettings(short_sides=(64,), instructions_per_scene=8)


@pytest.fixture(scope="module")
def pairs() -> list[tuple[WorldSample, Instruction, Instruction]]:
    """Scene, instruction, and what was made of it, wherever something could be made of it."""
    rng = np.random.default_rng(0)
    samples = [sample(3, index, SETTINGS) for index in range(60)]
    made = [(each, one, with_invented_word(one, rng)) for each in samples for one in each.instructions]
    return [(each, one, changed) for each, one, changed in made if changed is not None]


def test_invented_kinds_have_no_target(pairs: list[tuple[WorldSample, Instruction, Instruction]]) -> None:
    assert len(pairs) > 60
    assert any(before.phrases[0].instances for _, before, _ in pairs)
    for _, before, after in pairs:
        assert len(before.phrases) == 1
        assert after.phrases[0].instances == ()
        assert after.family in SUITABLE_FAMILIES


def test_no_name_of_the_kind_is_left(pairs: list[tuple[WorldSample, Instruction, Instruction]]) -> None:
    for _, before, after in pairs:
        (kind,) = kinds_of(before.program)
        assert not names_kind(after.text, kind)
        assert not names_kind(after.phrases[0].text, kind)
        (word,) = set(after.phrases[0].text.split()) - set(before.phrases[0].text.split())
        assert word in after.text
        assert f"an {word}" not in after.text


def test_families_with_other_targets_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    for index in range(60):
        for one in sample(3, index, SETTINGS).instructions:
            if one.family in ("logic", "multi", "chatty", "counting", "knowledge"):
                assert with_invented_word(one, rng) is None


BLICK = Noun("blick", "blicks")


def test_number_and_article_follow() -> None:
    assert renamed("the leftmost fish", "fish", BLICK) == "the leftmost blick"
    assert renamed("an apple beside two apples", "apple", BLICK) == "a blick beside two blicks"


def test_a_real_name_with_its_article_takes_the_place_of_the_kind() -> None:
    assert renamed("a fish above an apple", "fish", Noun("owl", "owls")) == "an owl above an apple"
    rng = np.random.default_rng(2)
    pairs = [
        (one, found)
        for index in range(60)
        for one in sample(3, index, SETTINGS).instructions
        if (found := with_real_word(one, rng))
    ]
    names = {form for noun in (*absent_nouns(), *mentioned_nouns()) for form in (noun.one, noun.many)}
    assert len(pairs) > 50
    for one, made in pairs:
        (kind,) = kinds_of(one.program)
        assert not names_kind(made.text, kind)
        assert made.phrases[0].instances == ()
        for text in (made.text, made.phrases[0].text):
            assert any(re.search(rf"\b{re.escape(name)}\b", text) for name in names), text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("the two fish at the top", "fish"),  # one flute or two?
        ("any maple in here", "tree"),  # none of the names that templates have
        ("the sitting chair", "chair"),  # would leave "the sitting flute"
    ],
)
def test_no_real_name_where_a_part_of_the_old_one_or_its_number_would_be_lost(text: str, kind: str) -> None:
    program = {"phrases": [Filter(All(), "kind", kind).to_dict()]}
    instruction = Instruction(text, (PhraseAnswer(kind, (0,)),), "category", "", program)
    assert with_real_word(instruction, np.random.default_rng(0)) is None
    plain = replace(instruction, text="any mug in here", phrases=(PhraseAnswer("mug", (0,)),))
    plain = replace(plain, program={"phrases": [Filter(All(), "kind", "mug").to_dict()]})
    assert with_real_word(plain, np.random.default_rng(0)) is not None


def test_invented_words_are_not_english() -> None:
    rng = np.random.default_rng(1)
    words = {invented_word(rng) for _ in range(3000)}
    assert len(words) > 2000
    tested = {word for text in ABSENT_THINGS for word in text.lower().split()}
    assert not words & KNOWN
    assert len(words & tested) < 3, "the words of a test are not revealed"
