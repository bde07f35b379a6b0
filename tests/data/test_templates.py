"""Wordings of categories: English plurals, names that are no words, and the choice among templates."""

from __future__ import annotations

import pytest

from instructsam.data.templates import (
    DEFAULT_TEMPLATES,
    Wording,
    check_templates,
    head_noun,
    is_plural,
    is_words,
    plural,
)
from instructsam.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("dog", "dogs"), ("dining table", "dining tables"), ("bus", "buses"), ("wine glass", "wine glasses"),
        ("bench", "benches"), ("toothbrush", "toothbrushes"), ("box", "boxes"), ("lily", "lilies"), ("toy", "toys"),
        ("knife", "knives"), ("Person", "People"), ("sheep", "sheep"), ("scissors", "scissors"), ("skis", "skis"),
        ("cup of tea", "cups of tea"), ("police woman", "police women"), ("handle of the mug", "handles of the mug"),
    ],
)  # fmt: skip
def test_plurals(name: str, many: str) -> None:
    assert plural(name) == many
    assert plural(many) == many
    assert is_plural(name) == (name == many)


def test_head_nouns_and_words() -> None:
    assert [head_noun(name) for name in ("Dining Table", "cup of tea", "mug")] == ["table", "cup", "mug"]
    named = [
        is_words(name)
        for name in ("traffic light", "hot-dog", "driver's seat", "class_0", "A320", "PVC", "x", "Stuhl")
    ]
    assert named == [True, True, True, False, False, False, False, True]


def test_the_choice_is_a_function_of_seed_image_and_category() -> None:
    wording = Wording(DEFAULT_TEMPLATES, 3, ["dog", "cat"])
    texts = [wording.instruction(f"{number}.jpg", "dog") for number in range(100)]
    assert set(texts) == {"dog", "all dogs", "every dog", "every dog in the picture", "segment the dogs"}
    assert texts == [
        Wording(DEFAULT_TEMPLATES, 3, ["dog"]).instruction(f"{number}.jpg", "dog") for number in range(100)
    ]
    assert texts != [
        Wording(DEFAULT_TEMPLATES, 4, ["dog"]).instruction(f"{number}.jpg", "dog") for number in range(100)
    ]


def test_names_that_templates_do_not_suit_stand_alone() -> None:
    def texts(name: str, *others: str) -> set[str]:
        wording = Wording(DEFAULT_TEMPLATES, 0, [name, *others])
        return {wording.instruction(str(number), name) for number in range(60)}

    assert texts("scissors") == {"all scissors", "segment the scissors"}
    assert texts("A320") == {"A320"}
    assert texts("Stuhl", "Schlüssel") == {"Stuhl"}  # one letter that English lacks, in any category
    mine = Wording(("das Objekt {category}",), 0, ["Schlüssel"])
    assert mine.instruction("a", "Schlüssel") == "das Objekt Schlüssel"


@pytest.mark.parametrize("template", ["all of them", "{name}", "{category} {0}", "{category", ""])
def test_a_template_must_have_a_place_for_the_category(template: str) -> None:
    with pytest.raises(
        ConfigError, match=r"data.templates must be texts with \{category\} or \{plural\} in them"
    ):
        check_templates(["{plural}", template], "data.templates")
