"""Brush masks of Label Studio: bytes that its own package writes, and masks that a person painted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from instructsam.errors import InputError
from instructsam.exports.label_studio_rle import decode_brush, encode_brush

# label_studio_sdk.converter.brush.encode_rle (2.1.2) of this mask's bytes.
MASK = np.array([[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0]], dtype=np.bool_)
CODE = [0, 0, 0, 60, 57, 27, 254, 23, 0, 183, 255, 108, 2, 63, 249, 192, 0]


def _code(bits: str) -> list[int]:
    header = f"{8:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}"
    text = header + bits
    text += "0" * (8 - len(text) % 8)
    return [int(text[start : start + 8], 2) for start in range(0, len(text), 8)]


def test_the_bytes_are_those_of_label_studio() -> None:
    assert encode_brush(MASK) == CODE
    assert (decode_brush(CODE, (3, 5)) == MASK).all()


def test_a_block_of_single_values_and_smooth_edges() -> None:
    values = [9, 9, 9, 127, 255, 255, 255, 128]  # two pixels; only the second is opaque enough
    code = _code("0" + "00" + "111" + "".join(f"{value:08b}" for value in values))
    assert decode_brush(code, (1, 2)).tolist() == [[False, True]]


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_every_mask_is_read_back(mask: np.ndarray) -> None:
    assert (decode_brush(encode_brush(mask), mask.shape) == mask).all()


def test_long_runs_are_split() -> None:
    mask = np.zeros((300, 400), dtype=np.bool_)
    mask[50:250] = True
    code = encode_brush(mask)
    assert len(code) < 60
    assert (decode_brush(code, (300, 400)) == mask).all()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (CODE[:-3], "it was cut"),
        ([], "it was cut"),
        ([0, 0, 1, 0, *CODE[4:]], "must hold 60 bytes, got 256"),
        ([*CODE[:4], 0, *CODE[5:]], "values of 8 bits, got 1"),
        ([256], "list of bytes"),
        (["a"], "list of bytes"),
    ],
)
def test_damaged_codes_are_refused(code: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode_brush(code, (3, 5))


def test_a_block_longer_than_the_mask_is_refused() -> None:
    with pytest.raises(InputError, match="got at least 9"):
        decode_brush(_code("1" + "01" + "1000" + "11111111"), (1, 2))
