"""Programs: answers, ambiguity and storage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructsam.errors import InputError
from instructsam.world.programs import operations
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.between import Between
from instructsam.world.programs.both import Both
from instructsam.world.programs.compare import COMPARISONS, Compare
from instructsam.world.programs.counted import Counted
from instructsam.world.programs.difference import Difference
from instructsam.world.programs.either import Either
from instructsam.world.programs.extreme import Extreme
from instructsam.world.programs.filter import ATTRIBUTES, Filter
from instructsam.world.programs.nearest import Nearest
from instructsam.world.programs.on_shelf import SHELVES, OnShelf
from instructsam.world.programs.operations import OPERATIONS, from_dict
from instructsam.world.programs.ordinal import Ordinal
from instructsam.world.programs.position import Position
from instructsam.world.programs.program import AmbiguousProgramError, Program
from instructsam.world.programs.relate import RELATIONS, Relate
from instructsam.world.programs.same import SAME_ATTRIBUTES, Same
from instructsam.world.programs.sides import SIDES
from instructsam.world.programs.superlative import EXTREMES, Superlative
from instructsam.world.scenes.facts import MIN_VISIBLE, Facts, ObjectFact
from instructsam.world.scenes.scene import FAMILY_OF, Background, RenderedScene, Scene, SceneObject


def thing(
    index: int, kind: str, color: str, size: str, x: float, y: float, area: float, visible: float = 1.0
) -> ObjectFact:
    return ObjectFact(index, kind, FAMILY_OF[kind], color, size, x, y, area, visible)


#   x:  .1 red mug   .3 blue mug   .6 green ball   .85 red apple
TABLE = Facts(
    (
        thing(0, "mug", "red", "small", 0.1, 0.2, 0.02),
        thing(1, "mug", "blue", "large", 0.3, 0.8, 0.09),
        thing(2, "ball", "green", "large", 0.6, 0.35, 0.06),
        thing(3, "apple", "red", "small", 0.85, 0.65, 0.03),
    )
)
MUGS = Filter(All(), "kind", "mug")
RED = Filter(All(), "color", "red")
BALL = Filter(All(), "kind", "ball")


@pytest.mark.parametrize(
    ("program", "phrase", "expected"),
    [
        (All(), "object", (0, 1, 2, 3)),
        (MUGS, "mug", (0, 1)),
        (Filter(MUGS, "color", "red"), "red mug", (0,)),
        (Filter(Filter(MUGS, "size", "large"), "color", "blue"), "large blue mug", (1,)),
        (Filter(All(), "family", "toy"), "toy", (2,)),
        (Filter(All(), "kind", "banana"), "banana", ()),
        (Relate(MUGS, "left_of", BALL), "mug left of ball", (0, 1)),
        (Relate(All(), "right_of", BALL), "object right of ball", (3,)),
        (Relate(MUGS, "above", BALL), "mug above ball", (0,)),
        (Relate(All(), "below", BALL), "object below ball", (1, 3)),
        (Relate(MUGS, "above", Filter(All(), "kind", "bus")), "mug above bus", ()),
        (Position(All(), "left"), "object in left half", (0, 1)),
        (Position(All(), "bottom"), "object in bottom half", (1, 3)),
        (Extreme(All(), "right"), "rightmost object", (3,)),
        (Extreme(All(), "top", 2), "two topmost objects", (0, 2)),
        (Ordinal(All(), "left", 2), "second object from the left", (1,)),
        (Ordinal(All(), "bottom", 1), "first object from the bottom", (1,)),
        (Ordinal(MUGS, "left", 3), "third mug from the left", ()),
        (Superlative(All(), "largest"), "largest object", (1,)),
        (Superlative(All(), "smallest", 2), "two smallest objects", (0, 3)),
        (Either(Filter(MUGS, "color", "red"), BALL), "red mug or ball", (0, 2)),
        (Both(Filter(All(), "size", "small"), RED), "small red object", (0, 3)),
        (
            Both(Relate(All(), "left_of", BALL), Position(All(), "top")),
            "object left of ball and in top half",
            (0,),
        ),
        (Difference(MUGS, Filter(MUGS, "color", "red")), "mug not red", (1,)),
        (Difference(All(), MUGS), "object except mug", (2, 3)),
        (Difference(MUGS, Extreme(MUGS, "left")), "mug except leftmost mug", (1,)),
    ],
)
def test_answers_and_phrases(program: Program, phrase: str, expected: tuple[int, ...]) -> None:
    assert program.execute(TABLE) == expected
    assert program.answer(TABLE) == expected
    assert program.phrase() == phrase


def moved(index: int, **changes: Any) -> Facts:
    objects = list(TABLE.objects)
    objects[index] = replace(objects[index], **changes)
    return Facts(tuple(objects))


@pytest.mark.parametrize(
    ("program", "facts"),
    [
        (Extreme(All(), "left"), moved(1, x=0.13)),
        (Ordinal(All(), "left", 2), moved(2, x=0.32)),
        (Relate(MUGS, "left_of", BALL), moved(1, x=0.58)),
        (Position(All(), "left"), moved(2, x=0.53)),
        (Superlative(All(), "largest"), moved(2, area=0.08)),
        (Relate(BALL, "left_of", RED), TABLE),
        (Extreme(MUGS, "left", 3), TABLE),
        (Superlative(BALL, "largest", 2), TABLE),
    ],
)
def test_ambiguous_programs_have_no_answer(program: Program, facts: Facts) -> None:
    with pytest.raises(AmbiguousProgramError):
        program.execute(facts)
    assert program.answer(facts) is None


def test_the_visible_part_of_the_largest_object_must_be_largest_too() -> None:
    assert Superlative(All(), "largest").answer(moved(1, visible=0.6)) is None


def test_no_answer_depends_on_a_hidden_object() -> None:
    facts = moved(0, visible=MIN_VISIBLE - 0.01)
    assert MUGS.answer(facts) is None
    assert Extreme(All(), "left").answer(facts) is None
    assert Ordinal(All(), "right", 1).answer(facts) == (3,)
    assert BALL.answer(facts) == (2,)
    assert MUGS.answer(moved(0, visible=MIN_VISIBLE)) == (0, 1)


def test_facts_are_measured_on_whole_objects() -> None:
    masks = np.zeros((1, 50, 100), dtype=np.bool_)
    masks[0, 10:20, 40:50] = True
    mug = SceneObject("mug", "red", "small", (0.0, 0.0), 0.1, 0.0, False, 0, "striped", 2)
    rendered = RenderedScene(
        scene=Scene(0, Background("plain", 0), (mug,), shelves=(0.4, 0.9)),
        image=np.zeros((50, 100, 3), dtype=np.uint8),
        masks=masks,
        full_boxes_xyxy=np.array([[20, 10, 60, 30]], dtype=np.float32),
        full_areas=np.array([500], dtype=np.float32),
        visible_fraction=np.array([0.25], dtype=np.float32),
    )
    facts = Facts.of(rendered)
    seen = thing(0, "mug", "red", "small", 0.4, 0.4, 0.1, 0.25)
    assert facts.objects == (replace(seen, pattern="striped", shelf=2, width=0.4, height=0.4),)
    assert (facts.aspect, facts.shelves) == (2.0, 2)
    assert facts.has_hidden
    assert facts.seen.objects == ()


def programs() -> st.SearchStrategy[Program]:
    def grow(inner: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
        counts, sides = st.integers(1, 4), st.sampled_from(SIDES)
        attribute = st.sampled_from(
            [(name, value) for name, values in ATTRIBUTES.items() for value in values]
        )
        return st.one_of(
            st.builds(lambda source, pair: Filter(source, *pair), inner, attribute),
            st.builds(Relate, inner, st.sampled_from(RELATIONS), inner),
            st.builds(Position, inner, sides),
            st.builds(Extreme, inner, sides, counts),
            st.builds(Ordinal, inner, sides, counts),
            st.builds(Superlative, inner, st.sampled_from(EXTREMES), counts),
            st.builds(Either, inner, inner),
            st.builds(Both, inner, inner),
            st.builds(Difference, inner, inner),
            st.builds(Between, inner, inner, inner),
            st.builds(OnShelf, inner, st.sampled_from(SHELVES)),
            st.builds(Nearest, inner, inner),
            st.builds(Same, inner, st.sampled_from(SAME_ATTRIBUTES), inner),
            st.builds(Compare, inner, st.sampled_from(COMPARISONS), inner),
            st.builds(Counted, inner, counts),
        )

    return st.recursive(st.just(All()), grow, max_leaves=5)


ALL: dict[str, Any] = {"op": "all"}
MUG: dict[str, Any] = {"op": "filter", "source": ALL, "attribute": "kind", "value": "mug"}
STORED: tuple[dict[str, Any], ...] = (
    ALL,
    MUG,
    {"op": "relate", "source": ALL, "relation": "left_of", "anchor": MUG},
    {"op": "position", "source": MUG, "side": "top"},
    {"op": "extreme", "source": MUG, "side": "left", "count": 2},
    {"op": "ordinal", "source": MUG, "side": "right", "nth": 3},
    {"op": "superlative", "source": MUG, "extreme": "largest", "count": 1},
    {"op": "either", "first": MUG, "second": ALL},
    {"op": "both", "first": MUG, "second": ALL},
    {"op": "difference", "source": ALL, "removed": MUG},
    {"op": "between", "source": ALL, "first": MUG, "second": MUG},
    {"op": "onshelf", "source": ALL, "shelf": "middle"},
    {"op": "nearest", "source": ALL, "anchor": MUG},
    {"op": "same", "source": ALL, "same": "color", "anchor": MUG},
    {"op": "compare", "source": ALL, "comparison": "larger", "anchor": MUG},
    {"op": "counted", "source": MUG, "count": 4},
)


@pytest.mark.parametrize("data", STORED, ids=lambda data: str(data["op"]))
def test_programs_of_earlier_records_are_parsed(data: dict[str, Any]) -> None:
    assert from_dict(data).to_dict() == data


def test_every_operation_is_in_the_table() -> None:
    assert {data["op"] for data in STORED} == OPERATIONS.keys()
    folder = Path(operations.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if "OPERATION = " in path.read_text(encoding="utf-8")}
    assert files | {"all_objects", "filter"} == {
        one.program.__module__.rpartition(".")[2] for one in OPERATIONS.values()
    }


@given(programs())
def test_stored_programs_come_back_equal(program: Program) -> None:
    assert from_dict(json.loads(json.dumps(program.to_dict()))) == program


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"op": "count"}, "'op' must be one of all, filter"),
        ([], "'op' must be one of"),
        ({"op": "filter", "attribute": "kind"}, "needs exactly the fields"),
        ({"op": "all", "extra": 1}, "needs exactly the fields"),
        (
            {"op": "filter", "source": {"op": "all"}, "attribute": "kind", "value": "sofa"},
            "kind must be one of",
        ),
        ({"op": "filter", "source": {"op": "all"}, "attribute": "mood", "value": "x"}, "'attribute' of op"),
        ({"op": "position", "source": {"op": "all"}, "side": "middle"}, "'side' of op 'position'"),
        ({"op": "ordinal", "source": {"op": "all"}, "side": "left", "nth": 0}, "positive integer, got 0"),
        ({"op": "position", "source": "all", "side": "left"}, "'op' must be one of"),
    ],
)
def test_malformed_programs_are_errors(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_dict(data)
