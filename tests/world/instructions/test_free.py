"""Free instructions: answers that programs prove, words that mean them, and no held-out pair."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from instructsam.errors import ConfigError
from instructsam.world.instructions.absent import with_kind
from instructsam.world.instructions.choosing import names_held_out
from instructsam.world.instructions.details import details_of
from instructsam.world.instructions.families import FAMILY_SHARES, shares_of
from instructsam.world.instructions.free import (
    FreeSettings,
    describes_an_anchor,
    free_instructions,
    is_between_one_and_itself,
    names_the_answer,
)
from instructsam.world.instructions.instruction import Instruction
from instructsam.world.instructions.negatives import look_alike
from instructsam.world.language import words
from instructsam.world.language.free_speaker import FreeSpeaker
from instructsam.world.language.lexicon import KIND_NOUNS
from instructsam.world.language.styles import load_styles
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.between import Between
from instructsam.world.programs.both import Both
from instructsam.world.programs.difference import Difference
from instructsam.world.programs.either import Either
from instructsam.world.programs.extreme import Extreme
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.on_shelf import OnShelf
from instructsam.world.programs.operations import from_dict
from instructsam.world.programs.program import Program
from instructsam.world.programs.relate import Relate
from instructsam.world.programs.same import Same
from instructsam.world.programs.superlative import Superlative
from instructsam.world.scenes.facts import Facts, ObjectFact
from instructsam.world.scenes.pairs import HELD_OUT_PAIRS
from instructsam.world.scenes.scene import COLORS, FAMILY_OF
from tests.world.random_facts import random_facts

TWICE = re.compile(r"\b(\w+) \1\b", re.IGNORECASE)
MUGS, RED = Filter(All(), "kind", "mug"), Filter(All(), "color", "red")
TRAIN = FreeSettings()
ONLY_ABSENT = FreeSettings(negatives=1e9, look_alikes=0.0, absent_words=1.0)
ONLY_ALIKE = FreeSettings(negatives=1e9, look_alikes=1.0, absent_words=0.0)
Made = tuple[Facts, Instruction]


@cache
def scene(seed: int) -> Facts:
    return random_facts(seed)


@cache
def drawn(settings: FreeSettings = TRAIN, scenes: int = 50) -> tuple[Made, ...]:
    return tuple(
        (scene(seed), made)
        for seed in range(scenes)
        for made in free_instructions(scene(seed), np.random.default_rng(seed), 8, settings)
    )


def programs_of(made: Instruction) -> list[Program]:
    return [from_dict(data) for data in made.program["phrases"]]


@pytest.mark.parametrize("settings", [TRAIN, FreeSettings("test"), ONLY_ALIKE])
def test_the_stored_program_gives_the_stored_answer(settings: FreeSettings) -> None:
    for facts, made in drawn(settings):
        programs = programs_of(made)
        assert [program.answer(facts) for program in programs] == [one.instances for one in made.phrases]
        if "renamed" not in made.program:
            assert [program.phrase() for program in programs] == [one.text for one in made.phrases]


def test_every_family_occurs_in_its_share_with_and_without_targets() -> None:
    families = Counter(made.family for _, made in drawn())
    empty = Counter(made.family for _, made in drawn() if not any(one.instances for one in made.phrases))
    assert families.keys() == empty.keys() == FAMILY_SHARES.keys()
    for family, share in FAMILY_SHARES.items():
        assert families[family] / families.total() == pytest.approx(share, abs=0.05), family
    assert empty.total() / families.total() == pytest.approx(0.2, abs=0.06)


def test_shares_choose_the_families() -> None:
    shares, settings = shares_of(("comparison", "chatty"), {"chatty": 0.5}), FreeSettings(absent_words=0.0)
    made = [
        one.family
        for seed in range(20)
        for one in free_instructions(scene(seed), np.random.default_rng(seed), 4, settings, shares)
    ]
    assert set(made) == {"comparison", "chatty"}


def test_texts_are_whole_and_repeat_no_word() -> None:
    for split in ("train", "test"):
        for _, made in drawn(FreeSettings(split)):
            assert not re.search(r"[{}|]|  |^\s|\s$", made.text), made.text
            saying = made.template.partition(": ")[2]
            assert not TWICE.search(made.text) or TWICE.search(saying), made.text
            style = made.template.partition(":")[0]
            assert load_styles()[style].split == split


def test_an_absent_thing_is_named_in_text_and_phrase() -> None:
    nouns = {noun.one: noun for noun in words.absent_nouns()}
    made_absent = drawn(ONLY_ABSENT)
    for _, made in made_absent:
        ((kind, one),) = made.program["renamed"].items()
        assert made.phrases[0].instances == ()
        assert one in made.phrases[0].text or nouns[one].many in made.phrases[0].text
        assert not re.search(rf"\b(?:{kind}|{KIND_NOUNS[kind][0].many})\b", made.phrases[0].text), made
    families = {made.family for _, made in made_absent}
    assert families == FAMILY_SHARES.keys() - {"multi", "knowledge"}


def test_the_phrase_of_one_absent_thing_is_singular() -> None:
    nouns = {noun.one: noun for noun in words.absent_nouns()}
    for _, made in drawn(ONLY_ABSENT):
        ((_, one),) = made.program["renamed"].items()
        if "count" not in str(made.program) and nouns[one].many != one:
            assert nouns[one].many not in made.phrases[0].text, made.phrases[0].text


ON_TOP = OnShelf(MUGS, "top")
SIDES = Between(MUGS, RED, Filter(RED, "size", "small"))


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (OnShelf(Same(All(), "pattern", MUGS), "top"), True),
        (Relate(Relate(MUGS, "left_of", RED), "above", RED), True),
        (Difference(Relate(MUGS, "above", RED), Filter(Relate(MUGS, "above", RED), "size", "small")), True),
        (Superlative(Same(All(), "pattern", MUGS), "largest"), False),
        (Same(ON_TOP, "color", RED), False),
        (ON_TOP, False),
    ],
)
def test_a_condition_after_an_anchor_reads_as_the_anchors(program: Program, expected: bool) -> None:
    assert describes_an_anchor(program) == expected


def test_nothing_is_asked_for_that_reads_as_a_condition_on_an_anchor() -> None:
    for settings in (TRAIN, ONLY_ALIKE):
        for facts, made in drawn(settings):
            for program in programs_of(made):
                assert not describes_an_anchor(program), made.text
                assert not is_between_one_and_itself(program, facts), made.text


def test_nothing_is_between_an_object_and_itself() -> None:
    facts = Facts((ObjectFact(0, "mug", "drinkware", "red", "small", 0.5, 0.5, 0.02, 1.0),))
    assert is_between_one_and_itself(SIDES, facts)
    assert is_between_one_and_itself(Superlative(SIDES, "largest"), facts)
    assert not is_between_one_and_itself(Between(MUGS, RED, Filter(All(), "color", "blue")), facts)


def test_no_absent_thing_is_a_part_of_a_drawing() -> None:
    drawn_parts = {
        "tile",
        "rug",
        "meadow",
        "cloud",
        "shelf",
        "wheel",
        "window",
        "leaf",
        "handle",
        "face",
        "seed",
        "bow",
        "bow tie",
        "straw",
        "chain",
        "buckle",
        "porthole",
        "ring",
        "cheek",
    }
    assert not drawn_parts & {noun.one for noun in words.absent_nouns()}


@pytest.mark.parametrize(
    ("phrase", "program"),
    [
        ("fork", MUGS),
        ("red fork", Filter(All(), "color", "red")),
        ("largest red fork", Superlative(Filter(MUGS, "color", "red"), "largest")),
        ("fork not red left of mug", Relate(Difference(MUGS, Filter(MUGS, "color", "red")), "left_of", MUGS)),
        ("small red fork", Both(Filter(MUGS, "size", "small"), Filter(MUGS, "color", "red"))),
        ("", Either(MUGS, Filter(All(), "color", "red"))),
        ("", Same(All(), "kind", Filter(All(), "color", "red"))),
        ("", Filter(All(), "function", "drink from")),
    ],
)
def test_the_kind_of_a_program_is_replaced(phrase: str, program: Program) -> None:
    changed = with_kind(program, "fork")
    assert (changed.phrase() if changed else "") == phrase


@pytest.mark.parametrize(
    ("program", "text", "named"),
    [
        (Same(All(), "kind", RED), "find things like the red one", False),
        (Same(All(), "kind", RED), "which other Mugs are like the red one?", True),
        (Extreme(Same(All(), "kind", RED), "left"), "the leftmost thing like the red coffee mug", True),
        (Same(All(), "color", RED), "mugs of the colour of the red one", False),
    ],
)
def test_a_question_for_a_kind_does_not_name_it(program: Program, text: str, named: bool) -> None:
    facts = Facts((ObjectFact(0, "mug", "drinkware", "red", "small", 0.5, 0.5, 0.02, 1.0),))
    assert names_the_answer(program, (0,), facts, text) == named


def test_look_alikes_of_every_family_are_one_value_away() -> None:
    families = Counter(made.family for _, made in drawn(ONLY_ALIKE))
    assert families.keys() == FAMILY_SHARES.keys()
    assert all(one.instances == () for _, made in drawn(ONLY_ALIKE) for one in made.phrases)
    rng = np.random.default_rng(1)
    for facts, made in drawn(scenes=30):
        for program in programs_of(made):
            if not program.answer(facts):
                continue
            changed = look_alike(rng, program, facts)
            if changed is not None:
                before, after = (re.findall(r"[\w ]+", str(one.to_dict())) for one in (program, changed))
                assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
                assert changed.answer(facts) == ()


def test_a_look_alike_keeps_a_negation_that_is_inside_a_program() -> None:
    program = Extreme(Difference(MUGS, Filter(MUGS, "color", "red")), "left")
    made = 0
    for seed in range(40):
        changed = look_alike(np.random.default_rng(seed), program, scene(seed))
        if changed is not None:
            made += 1
            details_of(
                changed, FreeSpeaker(np.random.default_rng(0), scene(seed))
            )  # raises TypeError for "except red mugs"
    assert made >= 5


def tempting_scene(kind: str, color: str) -> Facts:
    """The kind in another colour, and the colour on other things."""
    other = next(name for name in COLORS if (kind, name) not in HELD_OUT_PAIRS)
    looks = [(kind, other), ("ball", color), ("tree", color), (kind, other), ("ball", other)]
    return Facts(
        tuple(
            ObjectFact(
                index,
                one,
                FAMILY_OF[one],
                shade,
                "small",
                0.15 + index / 7,
                0.1 + index / 6,
                0.02,
                1.0,
                "plain",
            )
            for index, (one, shade) in enumerate(looks)
        )
    )


def test_held_out_pairs_are_never_named() -> None:
    for kind, color in sorted(HELD_OUT_PAIRS):
        rng = np.random.default_rng(3)
        pair = re.compile(rf"\b{color} (?:\S+ )?{kind}", re.IGNORECASE)
        for made in free_instructions(tempting_scene(kind, color), rng, 30, FreeSettings(negatives=2.0)):
            assert not any(map(names_held_out, programs_of(made))), made
            assert not pair.search(made.text), made.text


def test_deterministic_and_without_repetition() -> None:
    first, second = (free_instructions(scene(7), np.random.default_rng(5), 12) for _ in range(2))
    assert first == second
    assert len({made.text for made in first}) == len(first) == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "one of train, val, test, got 'dev'"),
        ({"negatives": -1.0}, "must not be negative, got -1.0, 0.4 and 0.25"),
        ({"look_alikes": 0.8, "absent_words": 0.4}, "must not exceed 1 together, got 0.8 and 0.4"),
    ],
)
def test_invalid_settings(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FreeSettings(**options)  # type: ignore[arg-type]
