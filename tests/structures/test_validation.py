"""pydantic's errors become one fault: place, what was expected, what was received."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, Strict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from instructsam.structures.validation import Expected, Fault, fields_of, first_fault, place_of, unwrapped

Word = Annotated[str, Strict(), Field(pattern=r"\S"), Expected("text that is not empty")]


@with_config(ConfigDict(extra="forbid"))
class Code(TypedDict):
    size: Any
    counts: Word


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class Leaf:
    name: Word
    codes: tuple[Code, ...] = ()
    pair: tuple[int, int] = (0, 0)


class Tree(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    leaf: Leaf | None = None
    by_name: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(default_factory=dict)
    count: int = Field(default=1, gt=0)
    most: Annotated[int, Field(le=5)] | None = None
    kind: Literal["a", "b"] | int = "a"
    values: dict[str, bool | int | dict[str, int]] = Field(default_factory=dict)


def fault_of(document: Any, prefix: str = "") -> Fault:

    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Tree).validate_json(json.dumps(document))
    return first_fault(caught.value, Tree, document, prefix)


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"cuont": 1}, Fault("cuont", "unknown", "did you mean count?", 1)),
        (
            {"leaf": {"name": "x", "zzz": 1}},
            Fault("leaf.zzz", "unknown", "known keys: leaf.codes, leaf.name, leaf.pair", 1),
        ),
        (
            {"leaf": {"name": "x", "codes": [{"size": 1, "conuts": ""}]}},
            Fault("leaf.codes[0].conuts", "unknown", "did you mean leaf.codes[0].counts?", ""),
        ),
        ({"leaf": {"codes": []}}, Fault("leaf.name", "missing", "", None)),
        ({"leaf": {"name": "x", "codes": [{"size": 1}]}}, Fault("leaf.codes[0].counts", "missing", "", None)),
        ({"leaf": {"name": " "}}, Fault("leaf.name", "type", "text that is not empty", " ")),
        ({"leaf": 3}, Fault("leaf", "type", "a JSON object or null", 3)),
        ({"leaf": {"name": "x", "codes": [3]}}, Fault("leaf.codes[0]", "type", "a JSON object", 3)),
        ({"leaf": {"name": "x", "codes": 3}}, Fault("leaf.codes", "type", "a list such as [1, 2]", 3)),
        ({"leaf": {"name": "x", "pair": [1]}}, Fault("leaf.pair", "type", "a list of 2 values", [1])),
        (
            {"leaf": {"name": "x", "pair": [1, 2, 3]}},
            Fault("leaf.pair", "type", "a list of 2 values", [1, 2, 3]),
        ),
        ({"leaf": {"name": "x", "pair": [1, "b"]}}, Fault("leaf.pair[1]", "type", "a whole number", "b")),
        ({"by_name": {"x": 1}}, Fault("by_name.x", "bounds", "lie in [0, 1)", 1)),
        ({"by_name": {"x": None}}, Fault("by_name.x", "type", "a finite number", None)),
        ({"by_name": []}, Fault("by_name", "type", "a mapping of keys", [])),
        ({"count": 0}, Fault("count", "bounds", "be above 0", 0)),
        ({"count": True}, Fault("count", "type", "a whole number", True)),
        ({"count": "1"}, Fault("count", "type", "a whole number", "1")),
        ({"most": 6}, Fault("most", "bounds", "be at most 5", 6)),
        ({"most": "6"}, Fault("most", "type", "a whole number or null", "6")),
        ({"kind": "c"}, Fault("kind", "type", "one of 'a', 'b' or a whole number", "c")),
        (
            {"values": {"x": {"y": "z"}}},
            Fault("values.x", "type", "true or false, a whole number or a mapping of keys", {"y": "z"}),
        ),
        ([], Fault("", "type", "a mapping of keys", [])),
        (
            {"count": 0, "zzzz": 1},
            Fault("zzzz", "unknown", "known keys: by_name, count, kind, leaf, most, values", 1),
        ),
    ],
    ids=str,
)
def test_the_first_fault(document: Any, fault: Fault) -> None:
    assert fault_of(document) == fault


def test_a_prefix_stands_before_places_and_known_keys() -> None:
    assert fault_of({"cuont": 1}, "loss.") == Fault("loss.cuont", "unknown", "did you mean loss.count?", 1)
    assert fault_of({"count": 0}, "loss.").place == "loss.count"


def test_places_show_odd_keys_cut_and_quoted() -> None:
    assert place_of(("a", 0, "b", "c\n")) == r"a[0].b.'c\n'"
    assert place_of(("n" * 1000,)) == "n" * 60
    assert place_of(()) == ""


def test_fields_and_metadata() -> None:
    assert list(fields_of(Tree)) == ["leaf", "by_name", "count", "most", "kind", "values"]
    assert list(fields_of(Leaf)) == ["name", "codes", "pair"]
    assert list(fields_of(Code)) == ["size", "counts"]
    assert fields_of(int) == fields_of(dict[str, int]) == {}
    inner, metadata = unwrapped(Annotated[Word | None, "outer"])
    assert inner is str
    assert [item for item in metadata if isinstance(item, str)] == ["outer", "text that is not empty"]
