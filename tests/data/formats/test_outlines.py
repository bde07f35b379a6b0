"""Masks in every spelling, and damaged ones, which cost their annotation and not the file."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from instructsam.data.formats.outlines import (
    DAMAGED,
    FEW_POINTS,
    DamagedMaskError,
    instance_of,
    mask_of,
    read_instance,
)
from instructsam.data.formats.source import Node, Tally
from instructsam.data.record import ImageRef
from instructsam.errors import RecordError
from instructsam.structures.masks import decode_rle, encode_rle, merge_rles, rle_box_xyxy

from .helpers import HEIGHT, WIDTH, block, code_text, corners

BLOCK = block(2, 1, 4, 3)
RUNS = {"size": [HEIGHT, WIDTH], "counts": [13, 3, 3, 3, 3, 3, 3, 3, 26]}
IMAGE = ImageRef("a.jpg", HEIGHT, WIDTH)
PARTS = [corners(2, 1, 2, 3), corners(4, 1, 2, 3)]


def node_of(value: Any) -> Node:
    return Node({"segmentation": value}, Path("f.json"))["segmentation"]


@pytest.mark.parametrize(
    "value",
    [
        encode_rle(BLOCK),
        RUNS,
        code_text(BLOCK),
        corners(2, 1, 4, 3),
        json.dumps(corners(2, 1, 4, 3)),
        PARTS,
        [code_text(block(2, 1, 4, 1)), encode_rle(block(2, 2, 4, 2))],
        [*PARTS, [1, 2, 3, 4], [5]],
    ],
    ids=[
        "run lengths",
        "plain runs",
        "text of run lengths",
        "polygon",
        "text of polygon",
        "parts",
        "mixed parts",
        "parts with few points",
    ],
)
def test_every_spelling_of_a_mask(value: Any) -> None:
    code = mask_of(node_of(value), IMAGE, Tally())
    assert code == encode_rle(BLOCK)
    np.testing.assert_array_equal(decode_rle(code), BLOCK)


@pytest.mark.parametrize("value", [None, [], "", [[]]])
def test_no_mask(value: Any) -> None:
    assert mask_of(node_of(value), IMAGE, Tally()) is None


def test_outlines_with_fewer_than_three_points_are_counted() -> None:
    tally = Tally()
    assert mask_of(node_of([[1, 2, 3, 4], [1, 2, 3]]), IMAGE, tally) is None
    assert read_instance(node_of([1, 2]), IMAGE, tally) is None
    assert dict(tally.left_out) == {FEW_POINTS: 3}
    assert tally.examples == {FEW_POINTS: "f.json, at segmentation[0]"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2, 3, 4, 5, float("nan")], "expected a polygon"),
        ([1, 2, 3, 4, 5, 10**400], "expected a polygon"),
        ([1, 2, 3, 4, 5, True], "expected a polygon"),
        ([1, 2, 3, 4, 5, 6, 7], "expected a polygon"),
        ([[1, 1, 4, 1, 1e9, 4]], "expected a polygon in a picture of 10 x 6"),
        ([-40, -40, 40, 40] * 7_000, "expected a polygon whose outline has at most"),
        ([0, 0, 10, 8] * 70, "expected a polygon whose outline has at most 1024 pixels"),
        (
            {"size": [9, 9], "counts": "0"},
            r"at segmentation.size: expected the picture's .* = \[6, 10\], got \[9, 9\]",
        ),
        ({"size": [6, 10]}, "at segmentation: RLE counts must be text"),
        ({"size": [6, 10], "counts": "5"}, "at segmentation: RLE runs must fill 6 x 10"),
        ({"size": [6, 10], "counts": [2**62] * 4}, "at segmentation: RLE runs must fill"),
        ({"size": [6, 10], "counts": [60.0]}, "at segmentation: RLE counts"),
    ],
)
def test_a_damaged_mask_is_counted_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(DamagedMaskError, match=message) as caught:
        mask_of(node_of(value), IMAGE, Tally())
    said = str(caught.value)
    assert said.startswith("f.json, at segmentation")
    assert "fetch the file again" in said
    assert "\n" not in said
    assert len(said) < 250
    tally = Tally()
    assert read_instance(node_of(value), IMAGE, tally) is None
    assert dict(tally.left_out) == {DAMAGED: 1}
    assert tally.examples == {DAMAGED: said}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no mask", "expected a mask, or JSON text of one, got 'no mask'"),
        ("[" * 5000, "expected a mask, or JSON text of one"),
        ("9" * 5000, "expected a mask, or JSON text of one"),
        (7, "expected a polygon, a run-length code, a list of them, or null, got 7"),
        ([[1, 2, None]], "expected a polygon, a run-length code, a list of them, or null, got 1"),
        ([[[[[[[[[[1, 2, 3, 4, 5, 6]]]]]]]]]], "expected a polygon, a run-length code"),
        ({"counts": "0"}, "at segmentation: the field 'size' is missing"),
    ],
)
def test_a_value_of_another_kind_is_refused(value: Any, message: str) -> None:
    for read in (mask_of, read_instance):
        with pytest.raises(RecordError, match=message) as caught:
            read(node_of(value), IMAGE, Tally())
        assert not isinstance(caught.value, DamagedMaskError)


def test_a_huge_picture_takes_no_memory_before_its_masks_are_checked() -> None:
    image = ImageRef("a.jpg", 13_000, 13_000)
    tracemalloc.start()
    one = read_instance(node_of([[0, 0, 13_000, 0, 13_000, 13_000, 0, 13_000]]), image, Tally())
    assert one is not None
    assert one.box_xywh == (0, 0, 13_000, 13_000)
    assert read_instance(node_of({"size": [13_000, 13_000], "counts": [169_000_000]}), image, Tally()) is None
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_an_outline_outside_the_picture_has_no_pixel() -> None:
    code = mask_of(node_of([12, 1, 18, 1, 18, 4]), IMAGE, Tally())
    assert code is not None
    assert instance_of(code) is None


corner = st.floats(-20, 60, allow_nan=False, width=32)
outline = st.lists(corner, min_size=6, max_size=20).filter(lambda numbers: len(numbers) % 2 == 0)


@settings(max_examples=40)
@given(st.lists(outline, min_size=1, max_size=4))
def test_polygons_equal_those_of_pycocotools(parts: list[list[float]]) -> None:
    reference = coco_mask.merge(coco_mask.frPyObjects(parts, 30, 41))
    code = mask_of(node_of(parts), ImageRef("a.jpg", 30, 41), Tally())
    assert code is not None
    assert code["counts"] == reference["counts"].decode()
    instance = instance_of(code)
    box = coco_mask.toBbox(reference).tolist()
    assert (instance.box_xywh if instance else (0, 0, 0, 0)) == tuple(box)


@given(st.lists(st.lists(st.integers(-6, 16), min_size=6, max_size=12), min_size=1, max_size=3))
def test_outlines_become_the_codes_that_checked_masks_have(outlines: list[list[int]]) -> None:
    """Codes that were just drawn are not checked again; they must be the same as after the check."""
    even = [outline[: len(outline) // 2 * 2] for outline in outlines]
    code = mask_of(Node(even, Path("f.json")), IMAGE, Tally())
    assert code is not None
    assert code == merge_rles([code])
    instance = instance_of(code)
    x1, y1, x2, y2 = rle_box_xyxy(code)
    assert (instance is None) == (x2 <= x1)
    assert instance is None or instance.box_xywh == (x1, y1, x2 - x1, y2 - y1)
