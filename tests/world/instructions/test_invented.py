"""Instructions about things with invented names: there is no target, and nothing of the real name is left."""

from __future__ import annotations

import numpy as np
import pytest

from instructsam.evaluation.benchmarks.absent_things import ABSENT_THINGS
from instructsam.world.instructions.instruction import Instruction
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
    scenes = [sample(3, index, SETTINGS) for index in range(60)]
    made = [found for each in scenes for one in each.instructions if (found := with_real_word(one, rng))]
    names = {form for noun in (*absent_nouns(), *mentioned_nouns()) for form in (noun.one, noun.many)}
    assert len(made) > 50
    for one in made:
        assert any(name in one.text for name in names), one.text
        assert one.phrases[0].instances == ()


def test_invented_words_are_not_english() -> None:
    rng = np.random.default_rng(1)
    words = {invented_word(rng) for _ in range(3000)}
    assert len(words) > 2000
    tested = {word for text in ABSENT_THINGS for word in text.lower().split()}
    assert not words & KNOWN
    assert len(words & tested) < 3, "the words of a test are not revealed"
