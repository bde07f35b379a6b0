"""The word list of the drawn world."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from instructsam.world.instructions.free import free_instructions
from instructsam.world.instructions.generate import instructions_about
from instructsam.world.programs.every_phrase import every_phrase, phrase_words
from tests.world.random_facts import random_facts


def test_it_has_every_word_of_generated_phrases() -> None:
    known = set(phrase_words())
    for seed in range(60):
        facts, rng = random_facts(seed), np.random.default_rng(seed)
        made = [*instructions_about(facts, rng, 6), *free_instructions(facts, rng, 6)]
        for instruction in made:
            if instruction.program:  # others name things that the world does not have
                words = {word for phrase in instruction.phrases for word in phrase.text.split()}
                assert words <= known, instruction


def test_the_shipped_list_has_every_word_that_phrases_need() -> None:
    path = files("instructsam") / "assets/default/words.txt"
    text = path.read_text(encoding="utf-8")
    words = text.splitlines()
    assert words == sorted({word.lower() for word in words})
    assert len(text.encode()) < 100_000
    assert {word for phrase in every_phrase() for word in phrase.split()} <= set(words)
