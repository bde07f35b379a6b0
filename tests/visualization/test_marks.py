"""Marked pictures: numbers in order, colours of objects kept, boxes and points drawn, no number lost silently."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from instructsam.errors import InputError
from instructsam.structures.masks import decode_cropped, decode_rle, encode_rle
from instructsam.visualization.marks import Mark, draw_marks
from instructsam.visualization.palette import PALETTE
from instructsam.visualization.patches import Patch, cut_patches, scale_patch


def mark(left: int, top: int, width: int, height: int, known: str = "mask") -> Mark:
    return Mark(Patch(left, top, np.ones((height, width), dtype=np.bool_)), known)  # type: ignore[arg-type]


def drawn(marks: list[Mark], size: tuple[int, int] = (512, 384)) -> NDArray[np.uint8]:
    picture, missing = draw_marks(Image.new("RGB", size, (200, 30, 30)), marks, size)
    assert missing == []
    return np.asarray(picture)


def has(pixels: NDArray[np.uint8], color: int) -> bool:
    return bool((pixels == PALETTE[color]).all(axis=-1).any())


def test_objects_keep_their_colours_between_outline_and_number() -> None:
    pixels = drawn([mark(100, 100, 200, 200)])
    changed = (pixels[100:300, 100:300] != (200, 30, 30)).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert changed.mean() < 0.02
    assert rows.max() - rows.min() < 30  # the tag in the middle
    assert columns.max() - columns.min() < 30
    assert has(pixels[200, 95:100], 0)


def test_small_objects_have_their_number_beside_them() -> None:
    pixels = drawn([mark(100, 100, 8, 8), mark(300, 100, 8, 8)])
    for color, left in ((0, 100), (1, 300)):
        around = pixels[60:150, left - 50 : left + 60]
        assert (around == PALETTE[color]).all(axis=-1).sum() > 100  # the tag, larger than the object
        inside = (pixels[100:108, left : left + 8] == (200, 30, 30)).all(axis=-1)
        assert inside.mean() > 0.4  # the leader hides the rest


def test_boxes_and_points_are_drawn() -> None:
    pixels = drawn([mark(50, 50, 200, 100, "box"), mark(400, 300, 1, 1, "point")])
    assert has(pixels[50:54, 60:240], 0)
    assert has(pixels[300:301, 390:400], 1)
    assert (pixels[110:140, 60:120] == (200, 30, 30)).all()


def test_fifty_objects_have_fifty_numbers() -> None:
    marks = [mark(10 + 48 * (n % 10), 10 + 70 * (n // 10), 12, 12) for n in range(50)]
    picture, missing = draw_marks(Image.new("RGB", (512, 384)), marks, (512, 384))
    assert (picture.size, missing) == ((512, 384), [])
    _, missing = draw_marks(Image.new("RGB", (64, 48)), marks, (512, 384))
    assert missing  # reported, since a model could not name them


def test_an_empty_mask_is_an_error() -> None:
    with pytest.raises(InputError, match="object 1 has an empty mask"):
        draw_marks(Image.new("RGB", (9, 9)), [Mark(Patch(0, 0, np.zeros((0, 0), dtype=np.bool_)))], (9, 9))


def test_a_single_pixel_stays_at_every_scale() -> None:
    for size in ((100, 75), (167, 125), (33, 25), (1000, 750)):
        assert scale_patch(Patch(57, 31, np.ones((1, 1), dtype=np.bool_)), (100, 75), size).inside.any()


def test_cropped_masks_are_whole_ones_cut() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        height, width = rng.integers(1, 40, 2)
        mask = rng.random((height, width)) < rng.choice([0.0, 0.01, 0.2, 1.0])
        code = encode_rle(mask)
        (left, top), inside = decode_cropped(code)
        (patch,) = cut_patches(decode_rle(code)[None], (int(width), int(height)))
        assert (inside == patch.inside).all()
        assert not inside.size or (left, top) == patch.box[:2]
