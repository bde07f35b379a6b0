"""Words of free instructions agree with what is meant: number, articles, riddles, digits and long nouns."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest

from instructsam.world.instructions import free_wording
from instructsam.world.instructions.details import described, details_of
from instructsam.world.instructions.free import FreeSettings, free_instructions
from instructsam.world.instructions.free_wording import whole_slots, word_groups, word_program
from instructsam.world.instructions.suiting import HEAD_INSIDE, PARAPHRASES, Need, suiting
from instructsam.world.language import words
from instructsam.world.language.free_speaker import FreeSpeaker
from instructsam.world.language.lexicon import NUMBERS, ORDINALS
from instructsam.world.language.sayings_table import GENERAL, KEYS, ONE, SEVERAL, Saying, load_sayings
from instructsam.world.language.styles import load_styles
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.counted import Counted
from instructsam.world.programs.difference import Difference
from instructsam.world.programs.extreme import Extreme
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.nearest import Nearest
from instructsam.world.programs.ordinal import Ordinal
from instructsam.world.programs.program import Program
from instructsam.world.programs.relate import Relate
from instructsam.world.programs.superlative import Superlative
from instructsam.world.scenes.facts import Facts, ObjectFact
from instructsam.world.scenes.scene import KINDS
from tests.world.random_facts import random_facts

MUGS, RED, BALL = (Filter(All(), *value) for value in (("kind", "mug"), ("color", "red"), ("kind", "ball")))
LEFT = Relate(MUGS, "left_of", BALL)
ROUNDS = range(40)


def speaker(seed: int) -> FreeSpeaker:
    """A speaker about three mugs left of a ball."""
    looks = (("mug", "drinkware", "red"), ("mug", "drinkware", "blue"), ("mug", "drinkware", "red"))
    things = [(*look, 0.1 + place / 5) for place, look in enumerate(looks)] + [("ball", "toy", "red", 0.9)]
    facts = Facts(
        tuple(
            ObjectFact(index, kind, family, color, "small", x, 0.2 + x / 2, 0.02 * (index + 1), 1.0)
            for index, (kind, family, color, x) in enumerate(things)
        )
    )
    return FreeSpeaker(np.random.default_rng(seed), facts)


@cache
def numbers() -> dict[str, str]:
    """Template -> the mark for the number of objects of its line."""
    return {
        f"{style}: {line.text}": line.number
        for style, table in load_sayings("sayings").items()
        for lines in table.values()
        for line in lines
    }


def test_lines_for_one_object_or_several_fit_the_answer() -> None:
    for seed in range(40):
        for made in free_instructions(random_facts(seed), np.random.default_rng(seed), 8, FreeSettings()):
            found, number = len(made.phrases[0].instances), numbers()[made.template]
            assert number != ONE or found <= 1, made
            assert number != SEVERAL or found != 1, made


@pytest.mark.parametrize(
    "program",
    [Ordinal(MUGS, "left", 2), Extreme(MUGS, "left", 2), Superlative(MUGS, "largest"), Nearest(MUGS, BALL)],
)
def test_definite_phrases_have_no_indefinite_slots(program: Program) -> None:
    for seed in ROUNDS:
        own = speaker(seed)
        slots = whole_slots(own, program, details_of(program, own))
        assert slots["the"] == f"the {slots['bare']}"
        assert slots.keys() == {"the", "bare"}


def test_several_objects_have_a_singular_for_each() -> None:
    names = {noun.one for noun in words.kinds()["mug"].nouns}
    for seed in ROUNDS:
        own = speaker(seed)
        slots = whole_slots(own, MUGS, details_of(MUGS, own))
        assert slots["each"] in names
        assert slots["a"] == f"any {slots['several']}"


def test_words_after_a_noun_are_kept() -> None:
    """The second of "the mugs left of the ball" never loses the ball, nor gets "from the left of the ball"."""
    for program in (Ordinal(LEFT, "top", 2), Difference(LEFT, Filter(LEFT, "color", "red"))):
        said = 0
        for seed in ROUNDS:
            own = speaker(seed)
            ball = own.noun({"kind": "ball"}).one
            filled = word_program(own, program, (1,), "british")
            if filled is not None:
                assert ball in filled[1], filled
                said += 1
        assert said > 5


@pytest.mark.parametrize(
    ("line", "inside"),
    [
        ("{head} that {is} larger than {anchor}", False),
        ("of all the {heads}, the {nth}", False),
        ("the {nth} {head}", False),
        ("the {nth} {head} from the left", True),
    ],
)
def test_a_long_noun_ends_its_clause(line: str, inside: bool) -> None:
    assert bool(HEAD_INSIDE.search(line)) == inside


def test_a_ranked_long_noun_has_no_relative_clause() -> None:
    for key in ("superlative largest", "extreme left", "ordinal top"):
        for table in (PARAPHRASES, *load_styles()):
            slots = frozenset(KEYS[key] | GENERAL)
            lines = suiting(table, key, Need(slots, one=True, several=True, long_head=True, ranks=True))
            assert not any("head} that" in line.text or "heads} which" in line.text for line in lines)
        assert suiting(PARAPHRASES, key, Need(slots, one=True, several=True, long_head=True, ranks=True))


def test_riddles_agree_in_number() -> None:
    for kind in KINDS:
        single, several = (described(kind, speaker(0), many) for many in (False, True))
        if single is None or several is None:
            continue
        assert single.slots["bare"].startswith("thing ")
        assert several.slots["bare"].startswith("things ")
        assert "{" not in single.slots["bare"] + several.slots["bare"]
        assert "thing_to" not in several.slots


def test_a_function_with_an_attribute_keeps_it() -> None:
    program = Filter(RED, "function", "drink from")
    for seed in ROUNDS:
        own = speaker(seed)
        assert not {"ask", "need", "that"} & details_of(program, own).slots.keys()
        assert {"ask", "that"} <= details_of(Filter(All(), "function", "drink from"), own).slots.keys()


def test_a_speaker_writes_all_numbers_in_digits_or_all_in_words() -> None:
    styles = set()
    for seed in ROUNDS:
        own = speaker(seed)
        count = details_of(Counted(MUGS, 3), own).slots["count"]
        nth = details_of(Ordinal(MUGS, "left", 2), own).slots["nth"]
        assert (count in NUMBERS) == (nth in ORDINALS)
        styles.add(count)
    assert styles == {"3", "three"}


@pytest.mark.parametrize(
    ("text", "bare", "expected"),
    [
        ("now the {bare}", "red mug", "now the red mug"),
        ("now the mug {bare}", "mug of mine", None),
        ("in the picture: {bare}", "mug at the top of the picture", None),
        ("please please, the {bare}", "mug", "please please, the mug"),
    ],
)
def test_no_word_is_repeated_unless_the_author_did(text: str, bare: str, expected: str | None) -> None:
    filled = free_wording._filled(Saying(text, frozenset({"bare"}), "", ""), {"bare": bare})
    assert filled == (None if expected is None else (text, expected))


def test_groups_are_named_in_order() -> None:
    template, text = word_groups(speaker(3), [Ordinal(MUGS, "left", 2), RED], "british") or ("", "")
    assert {"{first}", "{second}"} <= set(re.findall(r"\{\w+\}", template))
    assert text
