"""Which range of deep data is shown."""

from __future__ import annotations

import numpy as np
import pytest

from instructsam.errors import ImageError
from instructsam.images.pixels import Meaning, samples_to_rgb

GREY = np.arange(256).reshape(16, 16)


def grey(values: np.ndarray, **meaning: object) -> tuple[np.ndarray, list[str]]:
    notes: list[str] = []
    image = samples_to_rgb(values[..., None], Meaning(**meaning), "x", notes)  # type: ignore[arg-type]
    return np.asarray(image)[..., 0].astype(int), notes


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 15])
def test_data_that_use_some_of_their_bits_look_like_their_8_bit_copy(bits: int) -> None:
    shown, notes = grey((GREY << (bits - 8)).astype(np.uint16))
    assert np.abs(shown - GREY).max() <= 1
    assert notes == [f"16-bit data: values 0 to {2**bits - 1} are mapped to 0..255"]


def test_data_that_use_all_16_bits_keep_their_values_without_a_note() -> None:
    shown, notes = grey((GREY * 257).astype(np.uint16))
    assert (shown == GREY).all()
    assert notes == []


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.uint32, np.int64])
def test_8_bit_values_in_a_wider_type_stay_what_they_are(dtype: type) -> None:
    assert (grey(GREY.astype(dtype))[0] == GREY).all()


def test_fractions_count_from_zero_to_one() -> None:
    shown, notes = grey((GREY[:14] / 255).astype(np.float32))
    assert (shown == GREY[:14]).all()
    assert notes == ["32-bit float data: values 0 to 1 are mapped to 0..255"]


def test_a_narrow_range_is_stretched() -> None:
    shown, notes = grey((1000 + GREY % 100).astype(np.uint16))
    assert (shown.min(), shown.max()) == (0, 255)
    assert notes == ["16-bit data: values 1000 to 1099 are mapped to 0..255"]


def test_negative_values_are_stretched() -> None:
    shown, notes = grey((GREY - 1000).astype(np.int16))
    assert (shown == GREY).all()
    assert notes == ["16-bit signed data: values -1000 to -745 are mapped to 0..255"]


def test_one_hot_pixel_does_not_make_the_rest_black() -> None:
    values = (np.arange(10_000).reshape(100, 100) % 256 * 16).astype(np.uint16)
    values[50, 50] = 65535
    shown, notes = grey(values)
    assert np.abs(shown - np.minimum(values // 16, 255)).max() <= 1
    assert "outliers cut" in notes[0]


def test_a_small_thing_on_black_is_no_outlier() -> None:
    values = np.zeros((100, 100), np.uint16)
    values[50, 50] = 7
    shown, _ = grey(values)
    assert shown[50, 50] == 255


@pytest.mark.parametrize("value", [0, 1, 65535, 300])
def test_flat_images(value: int) -> None:
    shown, _ = grey(np.full((4, 4), value, np.uint16))
    assert shown.min() == shown.max()


def test_extreme_floats_do_not_overflow() -> None:
    shown, _ = grey(np.array([[-9e37, 0.0, 9e37]], np.float64))
    assert shown.tolist() == [[0, 128, 255]]
    shown, _ = grey(np.array([[5e-324, 0.0, 1e-310]], np.float64))
    assert shown.shape == (1, 3)
    with pytest.raises(ImageError, match="no finite value"):
        grey(np.array([[np.inf, np.nan]], np.float32))


def test_a_transparent_value_lets_white_through() -> None:
    shown, notes = grey(np.array([[7, 65535, 40000]], np.uint16), transparent=(7,))
    assert shown.tolist() == [[255, 255, 156]]
    assert "white" in notes[-1]
