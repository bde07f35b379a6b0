from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from instructsam.errors import InputError
from instructsam.structures.masks import (
    MAX_PIXELS,
    decode_rle,
    decode_rles,
    encode_rle,
    mask_area,
    mask_boxes_xyxy,
    merge_rles,
    rle_area,
    rle_box_xyxy,
    subtract_rle,
)
from instructsam.structures.rle_masks import RleMasks, mask_iou

Mask = NDArray[np.bool_]
any_mask = arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(any_mask)
def test_rle_equals_pycocotools_and_comes_back(mask: Mask) -> None:
    code = encode_rle(mask)
    reference = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert code == {"size": list(mask.shape), "counts": reference["counts"].decode()}
    np.testing.assert_array_equal(decode_rle(code), mask)


@pytest.mark.parametrize("fill", [False, True])
def test_long_runs_equal_pycocotools(fill: bool) -> None:
    mask = np.full((1500, 2000), fill)
    mask[700:703, 11:1999] = not fill
    reference = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode_rle(mask)["counts"] == reference["counts"].decode()
    np.testing.assert_array_equal(decode_rle(encode_rle(mask)), mask)


def test_decode_reads_bytes_and_plain_runs() -> None:
    mask = np.array([[False, True, True], [False, False, True]])
    code = encode_rle(mask)
    np.testing.assert_array_equal(decode_rle({**code, "counts": code["counts"].encode()}), mask)
    np.testing.assert_array_equal(decode_rle({"size": [2, 3], "counts": [2, 1, 1, 2]}), mask)


def test_mask_without_pixels_comes_back() -> None:
    mask = np.zeros((0, 5), dtype=np.bool_)
    assert decode_rle(encode_rle(mask)).shape == (0, 5)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ({"size": [2, 3]}, "RLE must be"),
        ({"size": [2], "counts": "06"}, "RLE must be"),
        ({"size": [2, 3], "counts": [2, 1]}, "must fill 2 x 3 = 6 pixels, got 3"),
        ({"size": [2, 3], "counts": [7, -1]}, "must fill"),
        ({"size": [-2, -3], "counts": [6]}, "must not be negative"),
        ({"size": [2, 3], "counts": 6}, "must be text or a list of runs, got int"),
        ({"size": [2, 3], "counts": "\x01"}, "alphabet"),
        ({"size": [2, 3], "counts": "ü"}, "alphabet"),
        ({"size": [2, 3], "counts": "P"}, "was cut"),
        ({"size": [2, 3], "counts": "o" * 20 + "0"}, "too long"),
        ({"size": [2, 3], "counts": "V" + "P" * 5 + "0"}, "too long for 30 bits"),
        ({"size": [2, 3], "counts": "0" * 99}, "must fill 6 pixels, got text of 99 characters"),
        ({"size": [2, 3], "counts": [2, 4.0]}, r"counts\[1\] must be a whole number, got float 4.0"),
        ({"size": [2, 3], "counts": [5, True]}, r"counts\[1\] must be a whole number, got bool True"),
        ({"size": [2, 3], "counts": ["6"]}, r"counts\[0\] must be a whole number, got str '6'"),
        ({"size": [2, 3], "counts": [10**5000]}, "must fill 6 pixels, got a run of int"),
        ({"size": [2, 3], "counts": [2**63 - 1, 2**63 - 1, 8]}, "must fill 6 pixels, got a run of int"),
        ({"size": [2.0, 3], "counts": [6]}, r"got the size list \[2.0, 3\]"),
        ({"size": [True, 6], "counts": [6]}, r"got the size list \[True, 6\]"),
        ({"size": "23", "counts": [6]}, "got the size str '23'"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, f"at most {MAX_PIXELS} pixels"),
        ({"size": [10**5000, 1], "counts": [1]}, f"at most {MAX_PIXELS} pixels"),
        (5, "RLE must be"),
        (None, "RLE must be"),
    ],
)
def test_damaged_rle_is_one_clear_error(code: dict[str, object], message: str) -> None:
    for function in (decode_rle, rle_area, rle_box_xyxy, lambda one: merge_rles([one])):
        with pytest.raises(InputError, match=message) as caught:
            function(code)
        assert len(str(caught.value)) < 200


def group_text(*runs: int) -> str:
    """COCO's text of runs of any length, also of those that overflow 64 bits."""
    codes, text = list(runs), ""
    for n, value in enumerate(codes):
        delta = value - codes[n - 2] if n > 2 else value
        while True:
            group, delta = delta & 31, delta >> 5
            more = delta != -1 if group & 16 else delta != 0
            text += chr((group | (32 if more else 0)) + 48)
            if not more:
                break
    return text


@pytest.mark.parametrize(
    "runs", [(2**62, 2**62, 2**62, 2**62 + 24), (2**58,) * 64 + (24,), (0, 2**57, 0, 2**58, 0, 2**59)]
)
def test_runs_whose_sum_wraps_around_are_refused(runs: tuple[int, ...]) -> None:
    """Such a code passed a check of the 64-bit sum, and numpy wrote outside its memory."""
    with pytest.raises(InputError, match="RLE"):
        decode_rle({"size": [4, 6], "counts": group_text(*runs)})
    with pytest.raises(InputError, match="RLE"):
        decode_rle({"size": [4, 6], "counts": list(runs)})


@given(arrays(np.bool_, (3, 7, 5)))
def test_run_length_arithmetic_equals_that_of_masks(masks: Mask) -> None:
    codes = [encode_rle(mask) for mask in masks]
    assert merge_rles(codes) == encode_rle(np.any(masks, axis=0))
    assert merge_rles(codes[:1]) == codes[0]
    assert subtract_rle(codes[0], codes[1]) == encode_rle(masks[0] & ~masks[1])
    assert [rle_area(code) for code in codes] == mask_area(masks).tolist()
    assert [list(rle_box_xyxy(code)) for code in codes] == mask_boxes_xyxy(masks).tolist()


def test_empty_runs_disappear_in_a_union() -> None:
    code = {"size": [2, 3], "counts": [1, 1, 0, 2, 0, 0, 2, 0]}
    assert merge_rles([code]) == encode_rle(decode_rle(code))
    assert rle_box_xyxy({"size": [0, 5], "counts": ""}) == (0, 0, 0, 0)


def test_codes_of_two_sizes_are_refused() -> None:
    small, large = {"size": [1, 2], "counts": [2]}, {"size": [2, 1], "counts": [2]}
    with pytest.raises(InputError, match="one size to be united"):
        merge_rles([small, large])
    with pytest.raises(InputError, match="one size to be subtracted"):
        subtract_rle(small, large)
    with pytest.raises(InputError, match="one size to be united"):
        merge_rles([])


def test_encode_refuses_what_is_no_mask() -> None:
    with pytest.raises(InputError, match=r"mask must be bool \(H, W\), got uint8 \(2, 3\)"):
        encode_rle(np.zeros((2, 3), dtype=np.uint8))  # type: ignore[arg-type]


def test_area_and_box_of_known_masks() -> None:
    masks = np.zeros((3, 6, 8), dtype=np.bool_)
    masks[0, 1:4, 2:7] = True
    masks[1, 5, 7] = True
    assert mask_area(masks).tolist() == [15, 1, 0]
    assert mask_boxes_xyxy(masks).tolist() == [[2, 1, 7, 4], [7, 5, 8, 6], [0, 0, 0, 0]]
    assert mask_boxes_xyxy(masks[:0]).shape == (0, 4)
    assert mask_area(masks[:0]).shape == (0,)


def test_iou_by_hand_and_empty_masks_agree() -> None:
    masks = np.zeros((3, 4, 4), dtype=np.bool_)
    masks[0, :2] = True
    masks[1, 1:3] = True
    expected = [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(mask_iou(masks, masks), expected, atol=1e-15)
    assert mask_iou(masks[:0], masks).shape == (0, 3)


@given(arrays(np.bool_, (3, 5, 7)), arrays(np.bool_, (2, 5, 7)))
def test_intersection_counts_shared_pixels(a: Mask, b: Mask) -> None:
    expected = [[int((x & y).sum()) for y in b] for x in a]
    assert RleMasks.encode(a).intersection(RleMasks.encode(b)).tolist() == expected


def test_intersection_is_exact_where_it_is_large() -> None:
    masks = np.ones((2, 1501, 1399), dtype=np.bool_)
    masks[1, 700, 3] = False
    codes = RleMasks.encode(masks)
    assert codes.intersection(codes).tolist() == [[1501 * 1399, 1501 * 1399 - 1], [1501 * 1399 - 1] * 2]


def test_masks_of_two_sizes_are_refused() -> None:
    small, large = np.zeros((1, 2, 2), dtype=np.bool_), np.zeros((1, 3, 2), dtype=np.bool_)
    with pytest.raises(InputError, match=r"one size .* \(2, 2\) and \(3, 2\)"):
        mask_iou(small, large)
    with pytest.raises(InputError, match=r"masks must be bool \(N, H, W\), got bool \(2, 2\)"):
        mask_area(small[0])


def test_a_stack_of_codes_is_decoded_in_one_piece() -> None:
    masks = np.random.default_rng(0).random((3, 5, 7)) > 0.5
    codes = [encode_rle(mask) for mask in masks]
    np.testing.assert_array_equal(decode_rles(codes, (5, 7), "x"), masks)
    assert decode_rles([], (5, 7), "x").shape == (0, 5, 7)
    with pytest.raises(InputError, match=r"line 3: masks must have the size \(7, 5\), got \(5, 7\)"):
        decode_rles(codes, (7, 5), "line 3")


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is bounded there")
def test_small_codes_of_large_masks_are_refused_where_memory_ends() -> None:
    code = """
import resource
from instructsam.errors import InputError
from instructsam.structures.masks import decode_rles, encode_rle
import numpy as np
code = encode_rle(np.zeros((13_000, 13_000), np.bool_))
with open("/proc/self/statm", encoding="ascii") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
for count, problem in ((1, ""), (40, "do not fit into memory"), (60, "exceed")):
    try:
        found = decode_rles([code] * count, (13_000, 13_000), "line 3").shape
        assert not problem, found
    except InputError as error:
        assert problem and problem in str(error) and str(error).startswith("line 3: "), error
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
