"""Answers on scenes made by hand, and compared with plain loops."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations
from math import acos, degrees, hypot
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructsam.world.instructions.generate import instructions_about
from instructsam.world.language.knowledge import FUNCTIONS
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.between import Between
from instructsam.world.programs.both import Both
from instructsam.world.programs.compare import Compare
from instructsam.world.programs.counted import Counted
from instructsam.world.programs.difference import Difference
from instructsam.world.programs.extreme import Extreme
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.nearest import Nearest
from instructsam.world.programs.on_shelf import OnShelf
from instructsam.world.programs.operations import from_dict
from instructsam.world.programs.position import Position
from instructsam.world.programs.program import AmbiguousProgramError, Program
from instructsam.world.programs.relate import Relate
from instructsam.world.programs.same import Same
from instructsam.world.programs.superlative import Superlative
from instructsam.world.scenes.facts import Facts, ObjectFact
from instructsam.world.scenes.scene import FAMILY_OF
from tests.world.random_facts import random_facts


def thing(index: int, kind: str, color: str, size: str, x: float, y: float, **more: Any) -> ObjectFact:
    area = {"small": 0.02, "medium": 0.04, "large": 0.09}[size]
    fact = ObjectFact(index, kind, FAMILY_OF[kind], color, size, x, y, area, 1.0, width=0.1, height=0.1)
    return replace(fact, **more)


#   .1 red striped mug   .3 blue mug   .5 green ball   .85 red apple; the lower row is a second shelf
TABLE = Facts(
    (
        thing(0, "mug", "red", "small", 0.1, 0.25, pattern="striped", shelf=1),
        thing(1, "mug", "blue", "large", 0.3, 0.75, shelf=2),
        thing(2, "ball", "green", "large", 0.5, 0.25, shelf=1),
        thing(3, "apple", "red", "medium", 0.85, 0.25, pattern="striped", shelf=1),
    ),
    shelves=2,
)
MUG = Filter(All(), "kind", "mug")
RED_MUG = Filter(MUG, "color", "red")
BALL = Filter(All(), "kind", "ball")
APPLE = Filter(All(), "kind", "apple")
BUS = Filter(All(), "kind", "bus")


@pytest.mark.parametrize(
    ("program", "phrase", "expected"),
    [
        (Filter(All(), "pattern", "striped"), "striped object", (0, 3)),
        (Filter(Filter(RED_MUG, "size", "small"), "pattern", "striped"), "small striped red mug", (0,)),
        (Filter(All(), "function", "drink from"), "thing to drink from", (0, 1)),
        (Filter(Filter(All(), "color", "red"), "function", "eat"), "red thing to eat", (3,)),
        (Filter(Filter(All(), "family", "toy"), "function", "fly"), "toy that can fly", ()),
        (Between(All(), RED_MUG, APPLE), "object between red mug and apple", (2,)),
        (Between(MUG, RED_MUG, APPLE), "mug between red mug and apple", ()),
        (Between(All(), BUS, APPLE), "object between bus and apple", ()),
        (OnShelf(All(), "top"), "object on top shelf", (0, 2, 3)),
        (OnShelf(MUG, "bottom"), "mug on bottom shelf", (1,)),
        (Nearest(All(), RED_MUG), "object nearest red mug", (2,)),
        (Nearest(APPLE, RED_MUG), "apple nearest red mug", (3,)),
        (Nearest(BALL, BALL), "ball nearest ball", ()),
        (Same(All(), "color", APPLE), "object same color as apple", (0,)),
        (Same(All(), "kind", RED_MUG), "object same kind as red mug", (1,)),
        (Same(BALL, "pattern", APPLE), "ball same pattern as apple", ()),
        (Same(All(), "size", BALL), "object same size as ball", (1,)),
        (Compare(All(), "larger", APPLE), "object larger than apple", (1, 2)),
        (Compare(MUG, "smaller", APPLE), "mug smaller than apple", (0,)),
        (Compare(MUG, "smaller", BUS), "mug smaller than bus", ()),
        (Superlative(All(), "smallest"), "smallest object", (0,)),
        (Superlative(All(), "largest", 2), "two largest objects", (1, 2)),
        (Counted(MUG, 2), "two mugs", (0, 1)),
        (Counted(MUG, 3), "three mugs", ()),
    ],
)
def test_answers_and_phrases(program: Program, phrase: str, expected: tuple[int, ...]) -> None:
    assert program.execute(TABLE) == program.answer(TABLE) == expected
    assert program.phrase() == phrase


@pytest.mark.parametrize(
    ("source", "phrase"),
    [
        (Filter(All(), "kind", "knife"), "two largest knives"),
        (Filter(RED_MUG, "pattern", "striped"), "two largest striped red mugs"),
        (Relate(MUG, "left_of", BUS), "two largest mugs left of bus"),
        (
            Both(Relate(MUG, "left_of", BUS), Position(MUG, "top")),
            "two largest mugs left of bus and in top half",
        ),
        (Difference(MUG, RED_MUG), "two largest mugs not red"),
        (Filter(All(), "function", "drink from"), "two largest things to drink from"),
        (Filter(Filter(All(), "family", "toy"), "function", "fly"), "two largest toys that can fly"),
        (Filter(All(), "family", "cutlery"), "two largest pieces of cutlery"),
        (Filter(All(), "family", "drinkware"), "two largest pieces of drinkware"),
        (Filter(All(), "family", "clothes"), "two largest pieces of clothing"),
    ],
)
def test_the_noun_after_a_number_is_plural(source: Program, phrase: str) -> None:
    two = Superlative(source, "largest", 2)
    assert two.phrase() == phrase
    assert Relate(two, "left_of", BUS).phrase() == f"{phrase} left of bus"
    assert Extreme(source, "left", 2).phrase() == phrase.replace("largest", "leftmost")
    assert Counted(source, 2).phrase() == phrase.replace("largest ", "")
    assert Superlative(source, "largest").phrase() == f"largest {source.phrase()}"


def moved(index: int, shelves: int = 2, **changes: Any) -> Facts:
    objects = list(TABLE.objects)
    objects[index] = replace(objects[index], **changes)
    return Facts(tuple(objects), shelves=shelves)


def kind(index: int, name: str) -> Facts:
    return moved(index, kind=name, family=FAMILY_OF[name])


@pytest.mark.parametrize(
    ("program", "facts"),
    [
        (Filter(All(), "function", "drink from"), kind(2, "teapot")),
        (Filter(All(), "family", "building"), kind(2, "tent")),
        (Between(All(), MUG, APPLE), TABLE),
        (Between(All(), APPLE, APPLE), TABLE),
        (Between(MUG, BALL, APPLE), moved(0, x=0.55)),
        (Between(MUG, BALL, APPLE), moved(0, x=0.7, y=0.36)),
        (Between(All(), BALL, APPLE), moved(3, x=0.6)),
        (OnShelf(All(), "top"), moved(0, shelves=1)),
        (OnShelf(All(), "middle"), TABLE),
        (Nearest(All(), MUG), TABLE),
        (Nearest(All(), BALL), TABLE),
        (Same(All(), "color", MUG), TABLE),
        (Compare(BALL, "larger", APPLE), moved(2, area=0.045)),
        (Compare(BALL, "larger", APPLE), moved(3, width=0.3)),
        (Compare(BALL, "larger", APPLE), moved(2, visible=0.5)),
        (Superlative(All(), "smallest"), moved(0, width=0.2)),
        (Superlative(All(), "largest", 2), moved(3, height=0.2)),
        (Same(All(), "size", BALL), moved(1, area=0.04)),
        (Same(All(), "size", BALL), moved(1, area=0.2)),
    ],
)
def test_ambiguous_programs(program: Program, facts: Facts) -> None:
    with pytest.raises(AmbiguousProgramError):
        program.execute(facts)
    assert program.answer(facts) is None


def test_a_picture_without_shelves_has_nothing_on_them() -> None:
    assert OnShelf(All(), "top").answer(Facts(TABLE.objects)) == ()
    three = Facts(tuple(replace(fact, shelf=fact.index) for fact in TABLE.objects), shelves=3)
    assert [OnShelf(All(), shelf).answer(three) for shelf in ("top", "middle", "bottom")] == [
        (1,),
        (2,),
        (3,),
    ]


def test_a_wide_picture_stretches_distances() -> None:
    facts = Facts((thing(0, "mug", "red", "small", 0.5, 0.5), *(t for t in TABLE.objects if t.kind != "mug")))
    assert Nearest(All(), MUG).answer(facts) == (2,)
    near = Facts(
        (
            thing(0, "mug", "red", "small", 0.5, 0.3),
            thing(1, "ball", "red", "small", 0.75, 0.3),
            thing(2, "key", "red", "small", 0.5, 0.7),
        )
    )
    assert Nearest(All(), MUG).answer(near) == (1,)
    assert Nearest(All(), MUG).answer(replace(near, aspect=2.4, answers={})) == (2,)


def members(data: dict[str, Any], facts: Facts) -> list[ObjectFact] | None:
    """A chain of filters, by plain loops; None for any other program."""
    if data["op"] == "all":
        return list(facts.objects)
    if data["op"] != "filter":
        return None
    inner = members(data["source"], facts)
    if inner is None:
        return None
    name, value = data["attribute"], data["value"]
    if name == "function":
        return [fact for fact in inner if fact.kind in FUNCTIONS[value].kinds]
    return [fact for fact in inner if getattr(fact, name) == value]


def angle(at: ObjectFact, one: ObjectFact, other: ObjectFact, aspect: float) -> float:
    rays = [((ray.x - at.x) * aspect, ray.y - at.y) for ray in (one, other)]
    dot = rays[0][0] * rays[1][0] + rays[0][1] * rays[1][1]
    return degrees(acos(max(-1.0, min(1.0, dot / (hypot(*rays[0]) * hypot(*rays[1]))))))


def by_hand(data: dict[str, Any], facts: Facts) -> set[int] | None:
    """The answer by loops without margins; None where this test has no second opinion."""
    chain = members(data, facts)
    if chain is not None:
        return {fact.index for fact in chain}
    source = members(data.get("source", {"op": "?"}), facts)
    anchors = [members(data[name], facts) for name in ("anchor", "first", "second") if name in data]
    if source is None or None in anchors:
        return None
    if data["op"] == "counted":
        return {fact.index for fact in source} if len(source) == data["count"] else set()
    if data["op"] == "onshelf":
        last = {"top": 1, "bottom": facts.shelves, "middle": 2}[data["shelf"]]
        return {fact.index for fact in source if fact.shelf == last and facts.shelves}
    if data["op"] not in ("between", "nearest", "same", "compare"):
        return None
    ones = [found[0] if found else None for found in anchors if found is not None]
    if None in ones:
        return set()
    one = ones[0]
    assert one is not None
    source = [fact for fact in source if fact not in ones]
    match data["op"]:
        case "between":
            other = ones[1]
            assert other is not None
            return {fact.index for fact in source if angle(fact, one, other, facts.aspect) > 95}
        case "nearest":
            gaps = {f.index: hypot((f.x - one.x) * facts.aspect, f.y - one.y) for f in source}
            return {min(gaps, key=lambda index: gaps[index])} if gaps else set()
        case "same":
            return {
                fact.index for fact in source if getattr(fact, data["same"]) == getattr(one, data["same"])
            }
        case _:
            sign = 1 if data["comparison"] == "larger" else -1
            return {fact.index for fact in source if sign * fact.area > sign * one.area}


def test_answers_agree_with_plain_loops() -> None:
    compared: Counter[str] = Counter()
    for seed in range(110):
        facts = random_facts(seed)
        families = ("spatial", "comparison", "knowledge", "counting")
        for made in instructions_about(facts, np.random.default_rng(seed), 8, "val", families):
            data = made.program["phrases"][0]
            expected = by_hand(data, facts.seen)
            if expected is not None:
                assert set(made.phrases[0].instances) == expected, (seed, made)
                compared[data["op"]] += 1
    for op in ("filter", "between", "onshelf", "nearest", "same", "compare", "counted"):
        assert compared[op] >= 8, compared


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_every_stored_program_gives_its_stored_answer(seed: int) -> None:
    facts = random_facts(seed)
    for made in instructions_about(facts, np.random.default_rng(seed), 6):
        fresh = replace(facts, answers={})
        programs = [from_dict(data) for data in made.program["phrases"]]
        assert [program.answer(fresh) for program in programs] == [p.instances for p in made.phrases]
        assert [program.phrase() for program in programs] == [p.text for p in made.phrases]
        for one, other in permutations(made.phrases, 2):
            assert not set(one.instances) & set(other.instances)
        assert all(not facts.objects[index].hidden for p in made.phrases for index in p.instances)
