"""The wide lexicon: its size, its names, words that agree in number, and messages about broken files."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.absent_things import ABSENT_THINGS
from instructsam.world.language import words
from instructsam.world.language.check import language_problems, noun_problems
from instructsam.world.language.data_files import AGREEING, parse_lines
from instructsam.world.language.knowledge import Function
from instructsam.world.language.lexicon import Noun
from instructsam.world.scenes.scene import COLORS, FAMILIES, KINDS, PATTERNS

SINGULAR_VERBS = re.findall(
    r"\w+",
    "is was has does needs takes eats comes lives belongs goes fits keeps gives makes flies swims grows carries opens "
    "leaves lies runs sits stands moves looks holds gets lays sings purrs bounces rolls shines smells tastes works "
    "stops drives starts turns wears hides cuts hits hangs floats sails protects helps stores breathes crawls",
)
EQUAL_PLURALS = re.findall(
    r"\w+",
    "aircraft bass bison broccoli bream buffalo carp chamois cod craft deer elk fish grapefruit haddock koi mackerel "
    "moose perch reindeer salmon samurai sheep shrimp squid trout tuna watercraft transport conveyance "
    "transportation",
)
LOOKS = {*COLORS, *PATTERNS, "spotted", "stripy", "dotty"}


def every_function() -> list[tuple[str, Function]]:
    described = [(kind, concept.described) for kind, concept in words.kinds().items()]
    return [*words.functions().items(), *((kind, one) for kind, one in described if one)]


def nouns() -> list[Noun]:
    return [
        noun for concept in (*words.kinds().values(), *words.families().values()) for noun in concept.nouns
    ]


def test_the_files_have_no_problem() -> None:
    assert list(language_problems()) == []


def test_the_lexicon_is_wide() -> None:
    assert len(set(words.every_word())) >= 2_500
    assert len(words.absent_nouns()) >= 1_500
    assert words.kinds().keys() == set(KINDS)
    assert words.families().keys() == set(FAMILIES)
    assert all(len(concept.nouns) >= 12 and concept.described for concept in words.kinds().values())
    few = {value for row in words.adjectives().values() for value, texts in row.items() if len(texts) < 10}
    assert few == set()


def test_an_absent_thing_is_in_no_benchmark_of_absent_things() -> None:
    nouns = (*words.absent_nouns(), *words.mentioned_nouns())
    written = {form.lower() for noun in nouns for form in (noun.one, noun.many)}
    assert not written & {thing.lower().split(" ", 1)[1] for thing in ABSENT_THINGS}


def test_absent_things_occur_once_and_have_no_colour_of_the_world() -> None:
    found = Counter(noun.one.lower() for noun in words.absent_nouns())
    assert [name for name, number in found.items() if number > 1] == []
    assert [name for name in found if set(name.split()) & LOOKS] == []


def test_no_adjective_means_two_values() -> None:
    for attribute, row in words.adjectives().items():
        found = Counter(adjective.lower() for adjectives in row.values() for adjective in adjectives)
        assert [adjective for adjective, number in found.items() if number > 1] == [], attribute
    others = {value: {*COLORS} - {value} for value in COLORS}
    for value, adjectives in words.adjectives()["color"].items():
        assert [one for one in adjectives if set(re.findall("[a-z]+", one.lower())) & others[value]] == [], (
            value
        )
        assert [one for one in adjectives if set(re.findall("[a-z]+", one.lower())) & set(KINDS)] == [], value


def test_plurals_differ_from_singulars_or_are_known_to_be_equal() -> None:
    equal = {noun.one.split()[-1] for noun in (*nouns(), *words.absent_nouns()) if noun.one == noun.many}
    assert {word for word in equal if not word.endswith("s")} <= {*EQUAL_PLURALS}
    assert [noun for noun in nouns() if re.search(r"[^s](sh|ch|x)s$|[^aeiou]ys$", noun.many)] == []


def test_descriptions_agree_with_one_thing_and_with_several() -> None:
    """A tail follows "something" and "things" alike: "that can fly", never "that flies"."""
    texts = [text for _, function in every_function() for text in (*function.tails, *function.that)]
    assert [text for text in texts if text.split()[0] == "that" and text.split()[1] in SINGULAR_VERBS] == []
    tails = [text for function in words.functions().values() for text in function.tails]
    assert [text for text in tails if re.search(r"\b(?:its|itself)\b", text)] == []


def test_descriptions_name_no_look_and_no_other_kind() -> None:
    for name, function in every_function():
        others = {form for kind in KINDS if kind not in function.kinds for form in (kind, f"{kind}s")}
        for field in words.FUNCTION_FIELDS:
            for text in getattr(function, field):
                assert not set(re.findall(r"[a-z]+", text.lower())) & (LOOKS | others), (name, text)
                assert text == text.strip(" .?!"), (name, text)


def test_names_that_are_no_color_name() -> None:
    assert [
        one for one in ("navy", "ruby", "reddish", "orangey", "red-coloured") if words.is_color_name(one)
    ] == [
        "navy",
        "ruby",
    ]


@pytest.mark.parametrize(
    ("kinds", "absent", "message"),
    [
        ({"mug": ["cup"], "glass": ["cup"]}, [], "'cup' is a name of mug and of glass"),
        ({"apple": ["banana apple"]}, [], "'banana apple' of apple also names the kind banana"),
        ({"banana": ["green banana"]}, [], "'green banana' of banana says what it looks like"),
        ({"shirt": ["striped top"]}, [], "'striped top' of shirt says what it looks like"),
        ({"mug": ["cup"]}, ["cup"], "'cup' is a name of mug, which the world has"),
        ({"lamp": ["table lamp"], "key": ["house key"]}, ["stool"], ""),
    ],
)
def test_a_name_with_two_meanings_is_reported(
    kinds: dict[str, list[str]], absent: list[str], message: str
) -> None:
    def parsed(entries: list[str]) -> tuple[Noun, ...]:
        return tuple(map(words.parse_noun, entries))

    found = list(
        noun_problems(
            {kind: parsed(names) for kind, names in kinds.items()}, {}, {"absent.yaml": parsed(absent)}
        )
    )
    assert any(message in problem for problem in found) if message else found == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "apple: {names: [apple]}\nkiwi: {names: [kiwi]}",
            "line 2, kiwi, names: a key must be one of apple, ",
        ),
        ("apple:\n  nouns: [apple]", "line 2, apple, nouns: a field must be one of names"),
        (
            "apple:\n  that: ['that {tastes} good']",
            r"line 2, apple, that: slots must be some of: .*\['tastes'\]",
        ),
        ("apple:\n  that: ['that {good']", "line 2, apple, that: braces must enclose slots"),
    ],
)
def test_a_broken_file_of_words_is_explained(text: str, message: str) -> None:
    known = {"apple": ("names", "that")}
    with pytest.raises(InputError, match=rf"kinds\.yaml, {message}"):
        words.rows_of(parse_lines(text, "kinds.yaml", 2), known, AGREEING)


def test_a_mentioned_thing_is_on_no_other_list() -> None:
    mentioned = Counter(noun.one for noun in words.mentioned_nouns())
    assert len(mentioned) > 60
    assert set(mentioned.values()) == {1}
    assert not mentioned.keys() & {noun.one for noun in words.absent_nouns()}
    assert {form for noun in words.mentioned_nouns() for form in (noun.one, noun.many)} <= set(
        words.every_word()
    )
