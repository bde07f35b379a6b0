"""Styles: what they do to a text, spelling, and messages about a broken styles.yaml."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from instructsam.errors import InputError
from instructsam.world.language.sayings_table import load_sayings
from instructsam.world.language.spelling import spelled
from instructsam.world.language.styles import STYLE_SPLITS, Style, load_styles, parse_styles, styles_of

TEXT = 'I like the grey mug. do you see it ("the colour"), or am I blind?'
CALM = Style("train", case=0.0, spelling="british")


def typed(style: Style, text: str = TEXT) -> str:
    return style.typed(np.random.default_rng(0), text)


def test_every_style_has_sayings_and_every_split_a_style() -> None:
    assert load_styles().keys() == load_sayings("sayings").keys()
    assert all(styles_of(split)[0] for split in STYLE_SPLITS)
    assert sum(styles_of("train")[1]) == pytest.approx(1)
    assert not any(style.typos for style in load_styles().values() if style.split != "train")


def test_only_styles_of_careless_typing_write_a_small_i() -> None:
    small = {name for name, style in load_styles().items() if style.small_i}
    assert small == {"casual", "voice", "second_language"}


def test_typing() -> None:
    assert typed(CALM) == TEXT
    assert typed(replace(CALM, case=1.0)) == TEXT.replace("do you", "Do you")
    assert typed(replace(CALM, small_i=1.0)) == TEXT.replace("I ", "i ")
    dictated = "I like the grey mug do you see it the colour or am I blind"
    assert typed(replace(CALM, punctuation=0.0)) == dictated
    assert typed(replace(CALM, spelling="american")) == TEXT.replace("grey", "gray").replace(
        "colour", "color"
    )
    slips = Counter(
        a != b for a, b in zip(typed(replace(CALM, typos=1.0)).split(), TEXT.split(), strict=True)
    )
    assert slips[True] == 1


def test_without_a_spelling_a_text_has_either_one() -> None:
    rng = np.random.default_rng(0)
    assert {replace(CALM, spelling="").typed(rng, "colour, neighbor") for _ in range(20)} == {
        "colour, neighbour",
        "color, neighbor",
    }


@pytest.mark.parametrize(
    ("british", "american"),
    [
        ("the Colour of my favourite, self-coloured thing", "the Color of my favorite, self-colored thing"),
        ("in the centre, centred", "in the center, centered"),
        ("Greyish unlabelled neighbours", "Grayish unlabeled neighbors"),
        ("the greyhound and the collar", "the greyhound and the collar"),
    ],
)
def test_spelling(british: str, american: str) -> None:
    assert spelled(british, "american") == spelled(american, "american") == american
    assert spelled(american, "british") == spelled(british, "british") == british


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "must map names of styles to their fields, got list"),
        ("a: {split: [", "styles.yaml must be YAML"),
        ("a: {case: 1}", "a: expected 'split' and some of split, case, .*, got {'case': 1}"),
        ("a: {split: train, mood: 1}", "a: expected 'split' and some of .*'mood'"),
        ("a: {split: dev}", "a: split must be one of train, val, test, got 'dev'"),
        ("a: {split: val, case: 2}", "a: case must be a number from 0 to 1, got int 2"),
        ("a: {split: val, typos: often}", "a: typos must be a number from 0 to 1, got str 'often'"),
        ("a: {split: val, share: .inf}", "a: share must be a number from 0 to 1000, got float inf"),
        ("a: {split: val, share: 0}", "a: share must be above 0, got 0"),
        ("a: {split: val, spelling: french}", "one of british, american or empty, got 'french'"),
    ],
)
def test_a_broken_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_styles(text, "styles.yaml")
