from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from instructsam.errors import InputError
from instructsam.structures.masks import (
    decode_rle,
    encode_rle,
    mask_area,
    mask_boxes_xyxy,
    mask_intersection,
    mask_iou,
)

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
    ],
)
def test_damaged_rle_is_one_clear_error(code: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode_rle(code)


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
    assert mask_intersection(a, b).tolist() == expected


def test_intersection_is_exact_over_several_chunks() -> None:
    masks = np.ones((1, 1500, 1400), dtype=np.bool_)
    assert mask_intersection(masks, masks).tolist() == [[1500 * 1400]]


def test_masks_of_two_sizes_are_refused() -> None:
    small, large = np.zeros((1, 2, 2), dtype=np.bool_), np.zeros((1, 3, 2), dtype=np.bool_)
    with pytest.raises(InputError, match=r"one size .* \(2, 2\) and \(3, 2\)"):
        mask_iou(small, large)
    with pytest.raises(InputError, match=r"masks must be bool \(N, H, W\), got bool \(2, 2\)"):
        mask_area(small[0])
