"""Which phrases cover known things, and what an agent would look for in vain."""

from __future__ import annotations

from typing import Any

import pytest

from instructsam.baselines.noun_phrases import Attributes, covering_phrases, spoken_phrase
from instructsam.data.record import ImageRef, PhraseRecord, Record
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.difference import Difference
from instructsam.world.programs.either import Either
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.program import Program
from instructsam.world.programs.relate import Relate

MUG = {"kind": "mug", "family": "drinkware", "color": "red", "size": "small"}
GLASS = {"kind": "glass", "family": "drinkware", "color": "blue", "size": "small"}
CAR = {"kind": "car", "family": "vehicle", "color": "red", "size": "large"}
KEY = {"kind": "key", "family": "tool", "color": "green", "size": "large"}


@pytest.mark.parametrize(
    ("things", "phrases"),
    [
        ([MUG], ("small red mug",)),
        ([MUG, {**MUG, "color": "blue"}], ("small mug",)),
        ([MUG, GLASS], ("small drinkware",)),
        ([MUG, CAR], ("red object",)),
        ([GLASS, KEY, CAR], ("small blue glass", "large green key", "large red car")),
        ([MUG, GLASS, KEY], ("small drinkware", "large green key")),
        ([{"kind": "traffic light"}, {"kind": "traffic light"}], ("traffic light",)),
        ([{"kind": "traffic light"}, {"kind": "dog"}], ("traffic light", "dog")),
    ],
)
def test_the_fewest_phrases_that_cover(things: list[Attributes], phrases: tuple[str, ...]) -> None:
    assert covering_phrases(things) == phrases


def record(meta: dict[str, Any]) -> Record:
    return Record("r", ImageRef("a.png", 4, 4), "words", (PhraseRecord("its own phrase", ()),), meta=meta)


@pytest.mark.parametrize(
    ("program", "phrase"),
    [
        (Filter(Filter(All(), "kind", "mug"), "color", "red"), "red mug"),
        (Relate(Filter(All(), "kind", "mug"), "left_of", Filter(All(), "kind", "car")), "mug"),
        (Either(Filter(All(), "kind", "key"), Filter(All(), "kind", "car")), "key"),
        (Difference(All(), Filter(All(), "kind", "car")), "object"),
    ],
)
def test_a_vain_search_is_for_the_first_noun(program: Program, phrase: str) -> None:
    found = record({"program": {"phrases": [program.to_dict()]}})
    assert spoken_phrase(found, found.phrases[0]) == phrase


@pytest.mark.parametrize("meta", [{}, {"program": 3}, {"program": {"phrases": [{"op": "fly"}]}}])
def test_without_a_program_the_phrase_itself(meta: dict[str, Any]) -> None:
    found = record(meta)
    assert spoken_phrase(found, found.phrases[0]) == "its own phrase"
