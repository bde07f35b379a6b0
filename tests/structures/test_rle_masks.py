"""Run-length encoded masks give the numbers of decoded ones."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.structures.masks import decode_rle, encode_rle, mask_boxes_xyxy, text_code
from instructsam.structures.rle_masks import RleMasks

Masks = NDArray[np.bool_]
stacks = arrays(np.bool_, st.tuples(st.integers(0, 4), st.just(6), st.just(5)))


@given(stacks, stacks)
def test_numbers_equal_those_of_decoded_masks(a: Masks, b: Masks) -> None:
    first, second = RleMasks.encode(a), RleMasks.encode(b)
    assert (len(first), first.size) == (len(a), (6, 5))
    np.testing.assert_array_equal(first.decode(), a)
    assert first.areas().tolist() == [int(mask.sum()) for mask in a]
    np.testing.assert_array_equal(first.boxes_xyxy(), mask_boxes_xyxy(a))
    shared = [[int((x & y).sum()) for y in b] for x in a]
    assert first.intersection(second).reshape(len(a), len(b)).tolist() == shared
    np.testing.assert_array_equal(first.union().decode()[0], np.any(a, axis=0))
    np.testing.assert_array_equal(first.inverted().decode(), ~a)
    region = second.union()
    np.testing.assert_array_equal(first.inside(region).decode(), a & np.any(b, axis=0))


@given(arrays(np.bool_, (4, 5, 7)))
def test_iou_is_the_quotient_of_two_exact_counts(masks: Masks) -> None:
    codes = RleMasks.encode(masks)
    for i, row in enumerate(codes.iou(codes)):
        for j, value in enumerate(row):
            shared, union = int((masks[i] & masks[j]).sum()), int((masks[i] | masks[j]).sum())
            assert value == (shared / union if union else 1.0)


@given(arrays(np.bool_, (3, 5, 7)))
def test_codes_of_json_are_the_same_masks(masks: Masks) -> None:
    loaded = RleMasks.load([encode_rle(mask) for mask in masks], (5, 7), "line 3")
    encoded = RleMasks.encode(masks)
    assert loaded.codes == encoded.codes
    assert [text_code(code) for code in encoded.codes] == [encode_rle(mask) for mask in masks]
    assert loaded.head(2).codes == encoded.codes[:2]
    assert loaded.select([2, 0]).codes == (encoded.codes[2], encoded.codes[0])


def test_empty_runs_inside_a_code_do_not_end_it() -> None:
    """pycocotools takes two of them at one place for the end of both masks."""
    code = {"size": [2, 3], "counts": [1, 1, 0, 2, 0, 0, 2, 0]}
    codes = RleMasks.load([code, code], (2, 3), "x")
    assert codes.areas().tolist() == [3, 3]
    assert codes.intersection(codes).tolist() == [[3, 3], [3, 3]]
    np.testing.assert_array_equal(codes.union().decode()[0], decode_rle(code))


def test_what_does_not_fit_is_refused() -> None:
    codes = RleMasks.encode(np.zeros((1, 2, 3), dtype=np.bool_))
    with pytest.raises(InputError, match=r"line 3: masks must have the size \(3, 2\), got \(2, 3\)"):
        RleMasks.load(codes.codes, (3, 2), "line 3")
    with pytest.raises(InputError, match="line 3: RLE counts hold a character"):
        RleMasks.load([{"size": [3, 2], "counts": "\x01"}], (3, 2), "line 3")
    with pytest.raises(InputError, match=r"one size to be compared, got \(2, 3\) and \(3, 2\)"):
        codes.intersection(RleMasks.none((3, 2)))
    with pytest.raises(InputError, match=r"a region must be one mask of \(2, 3\), got 2 of \(2, 3\)"):
        codes.inside(codes.select([0, 0]))
    with pytest.raises(InputError, match=r"masks must be bool \(N, H, W\), got float64 \(2, 3\)"):
        RleMasks.encode(np.zeros((2, 3)))  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is bounded there")
def test_a_long_text_is_parsed_in_little_memory() -> None:
    code = """
import resource
from instructsam.structures.masks import decode_rle, rle_area
side = 5000
with open("/proc/self/statm", encoding="ascii") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 600_000_000, used + 600_000_000))
text = "111" + "0" * (side * side - 3)  # a chessboard: each run is one pixel, and the text 25 MB
assert rle_area({"size": [side, side], "counts": text}) == side * side // 2
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_more_masks_than_a_byte_counts() -> None:
    masks = np.zeros((300, 2, 40), dtype=np.bool_)
    for number, mask in enumerate(masks):
        mask[0, : number % 40] = True
    codes = RleMasks.encode(masks)
    assert codes.areas().tolist() == [number % 40 for number in range(300)]
    assert codes.iou(codes.head(1)).shape == (300, 1)
    assert len(codes.boxes_xyxy()) == 300
