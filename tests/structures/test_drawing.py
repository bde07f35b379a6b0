from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

from instructsam.errors import InputError
from instructsam.structures import drawing
from instructsam.structures.drawing import PALETTE, color_of, draw_overlay
from instructsam.structures.labels import clean, overlap, place_labels, shorten, wrap
from instructsam.structures.masks import mask_boxes_xyxy


def overlay(masks: Any, image: Image.Image, **words: Any) -> Image.Image:
    scores = np.full(len(masks), 0.9, dtype=np.float32)
    ids = np.zeros(len(masks), dtype=np.int64)
    fields = {"phrases": ("mug",), "instruction": "the mug", **words}
    return draw_overlay(image, masks, mask_boxes_xyxy(masks), scores, ids, **fields)


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), PALETTE[0]])
def test_outline_is_seen_on_any_background(background: tuple[int, int, int]) -> None:
    masks = np.zeros((1, 600, 600), dtype=np.bool_)
    masks[0, 200:400, 200:400] = True
    pixels = np.asarray(overlay(masks, Image.new("RGB", (600, 600), background)))
    assert pixels[300, 198:202].tolist() == [[255] * 3] * 2 + [list(PALETTE[0])] * 2
    assert pixels[300, 398:402].tolist() == [list(PALETTE[0])] * 2 + [[255] * 3] * 2
    assert pixels[300, 100].tolist() == list(background)


def test_input_is_not_changed_and_numbers_differ_after_the_palette() -> None:
    image = Image.new("RGB", (500, 500), "gray")
    before = image.tobytes()
    masks = np.zeros((1, 500, 500), dtype=np.bool_)
    masks[0, :9, :9] = True
    overlay(masks, image)
    assert image.tobytes() == before
    assert color_of(0) == color_of(len(PALETTE)) != color_of(1)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (33, 47), (160, 120), (900, 300)])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_size_is_drawn_and_small_ones_grow(size: tuple[int, int], count: int) -> None:
    masks = np.zeros((count, size[1], size[0]), dtype=np.bool_)
    for index in range(count):
        masks[index, index % size[1] :, : index + 1] = True
    picture = overlay(masks, Image.new("RGB", size, "green"), instruction="word " * 400, note="more")
    assert picture.mode == "RGB"
    assert max(picture.size) >= 480
    assert picture.width >= 320


def test_nothing_found_gets_an_amber_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = np.zeros((0, 480, 640), dtype=np.bool_)
    image = Image.new("RGB", (640, 480), "gray")
    empty = np.asarray(overlay(nothing, image))
    assert (empty[-3] == drawing._AMBER).all()
    one = np.ones((1, 480, 640), dtype=np.bool_)
    assert not (np.asarray(overlay(one, image)) == drawing._AMBER).all(axis=-1).any()


def test_strip_grows_with_the_words() -> None:
    masks = np.ones((1, 480, 640), dtype=np.bool_)
    image = Image.new("RGB", (640, 480), "gray")
    heights = [overlay(masks, image, instruction=text).height for text in ("", "mug", "mug " * 60)]
    assert heights[0] == 480 < heights[1] < heights[2]


def test_an_empty_mask_and_a_border_mask_are_fine() -> None:
    masks = np.zeros((2, 480, 640), dtype=np.bool_)
    masks[1] = True
    pixels = np.asarray(overlay(masks, Image.new("RGB", (640, 480), "black"), instruction=""))
    assert pixels.shape == (480, 640, 3)
    assert (pixels[240, 300] > 0).any()


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match=r"size of the image \(48, 64\), got \(64, 48\)"):
        overlay(np.zeros((1, 64, 48), dtype=np.bool_), Image.new("RGB", (64, 48)))


def test_labels_stay_inside_and_apart() -> None:
    rng = np.random.default_rng(0)
    anchors = [(int(x), int(y), int(x) + 20, int(y) + 20) for x, y in rng.integers(0, 380, (12, 2))]
    labels = place_labels(["t"] * 12, anchors, [(60, 14)] * 12, np.zeros((400, 400), dtype=np.bool_))
    for index, label in enumerate(labels):
        left, top, right, bottom = label.place
        assert left >= 0
        assert top >= 0
        assert right <= 400
        assert bottom <= 400
        assert all(overlap(label.place, other.place) == 0 for other in labels[:index])


def test_words_are_wrapped_and_cut() -> None:
    font = ImageFont.load_default(14)
    lines = wrap("several words " * 40 + "x" * 900, font, 200, 3)
    assert len(lines) == 3
    assert all(font.getlength(line) <= 200 for line in lines)
    assert lines[-1].endswith("...")
    assert wrap("one line", font, 200, 3) == ["one line"]
    assert wrap("x" * 90, font, 200, 9)[0] == "x" * len(wrap("x" * 90, font, 200, 9)[0])
    assert shorten("short", font, 200) == "short"
    assert clean("a\n\tb\x00c  d") == "a b c d"
    assert len(clean("y" * 10_000, 50)) == 50
