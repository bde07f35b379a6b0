"""Masks in every spelling, and messages that say where and how to mend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instructsam.data.formats.source import Node, Tally, image_size, mask_of, read_json
from instructsam.errors import RecordError
from instructsam.structures.masks import encode_rle

from .helpers import HEIGHT, WIDTH, block, code_text, corners, picture

BLOCK = block(2, 1, 4, 3)
RUNS = {"size": [HEIGHT, WIDTH], "counts": [13, 3, 3, 3, 3, 3, 3, 3, 26]}


@pytest.mark.parametrize(
    "value",
    [
        encode_rle(BLOCK),
        RUNS,
        code_text(BLOCK),
        corners(2, 1, 4, 3),
        json.dumps(corners(2, 1, 4, 3)),
        [corners(2, 1, 2, 3), corners(4, 1, 2, 3)],
        [code_text(block(2, 1, 4, 1)), encode_rle(block(2, 2, 4, 2))],
    ],
    ids=[
        "run lengths",
        "plain runs",
        "text of run lengths",
        "polygon",
        "text of polygon",
        "parts",
        "mixed parts",
    ],
)
def test_every_spelling_of_a_mask(value: Any) -> None:
    mask = mask_of(Node(value, Path("f.json")), HEIGHT, WIDTH)
    assert mask is not None
    np.testing.assert_array_equal(mask, BLOCK)


@pytest.mark.parametrize("value", [None, [], "", [[]]])
def test_no_mask(value: Any) -> None:
    assert mask_of(Node(value, Path("f.json")), HEIGHT, WIDTH) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2, 3, 4], r"expected a polygon, x and y of at least three corners, got \[1, 2, 3, 4\]"),
        ([1, 2, 3, 4, 5, float("nan")], "expected a polygon"),
        ("no mask", "expected a mask, or JSON text of one, got 'no mask'"),
        (7, "expected a polygon, a run-length code, a list of them, or null, got 7"),
        (
            {"size": [9, 9], "counts": "0"},
            r"at segmentation.size: expected the picture's .* = \[6, 10\], got \[9, 9\]",
        ),
        ({"size": [6, 10]}, "at segmentation: RLE must be"),
        ({"size": [6, 10], "counts": "5"}, "at segmentation: RLE runs must fill 6 x 10"),
    ],
)
def test_what_is_no_mask_is_said_with_its_place(value: Any, message: str) -> None:
    node = Node({"segmentation": value}, Path("f.json"))["segmentation"]
    with pytest.raises(RecordError, match=message) as caught:
        mask_of(node, HEIGHT, WIDTH)
    assert str(caught.value).startswith("f.json, at segmentation")
    assert "fetch the file again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_places_are_written_as_one_would_type_them() -> None:
    top = Node([{"a": [{"b": 1}]}], Path("f.json"))
    node = next(next(top.items())["a"].items())["b"]
    assert node.place == "[0].a[0].b"
    with pytest.raises(
        RecordError, match=r"f.json, at \[0\].a\[0\].b: expected a list, got 1; mend this place"
    ):
        list(node.items())
    with pytest.raises(RecordError, match=r"at \[0\]: the field 'c' is missing \(there are a\)"):
        next(top.items())["c"]
    with pytest.raises(RecordError, match=r"f.json: expected a JSON object, got \[\{'a'"):
        top["a"]


@pytest.mark.parametrize(
    ("method", "value", "message"),
    [
        ("text", " ", "text that is not empty"),
        ("whole", 1.5, "a whole number, got 1.5"),
        ("whole", True, "a whole number, got True"),
        ("side", 0, "a positive whole number of pixels, got 0"),
        ("name", None, "an id, a number or text, got None"),
    ],
)
def test_kinds_are_checked(method: str, value: Any, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        getattr(Node(value, Path("f.json")), method)()


def test_files_that_are_no_json(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    with pytest.raises(RecordError, match=r"f.json: cannot be read \(No such file"):
        read_json(path)
    path.write_text("[1,\n 2")
    with pytest.raises(
        RecordError, match=r"f.json, line 2, column 3: this is not JSON .*fetch the file again"
    ):
        read_json(path)
    path.write_bytes(b'"\xe9"')
    with pytest.raises(RecordError, match="expected UTF-8 text, got byte 0xe9"):
        read_json(path)
    path.write_bytes(b"\xef\xbb\xbf[]")
    assert read_json(path).value == []


def test_the_size_of_a_picture(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    node = Node({}, tmp_path / "f.json")
    assert image_size(tmp_path / "a.jpg", node) == (HEIGHT, WIDTH)
    with pytest.raises(RecordError, match=r"f.json, at the top: its picture cannot be read: .*b.jpg"):
        image_size(tmp_path / "b.jpg", node)


def test_a_tally_counts_reasons() -> None:
    tally = Tally()
    for reason, count in (("b", 1), ("a", 2), ("b", 3), ("c", 0)):
        tally.leave_out(reason, count)
    assert tally.lines() == ["left out: 4 x b", "left out: 2 x a"]
