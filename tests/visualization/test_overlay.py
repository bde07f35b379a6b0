from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from instructsam.errors import InputError
from instructsam.structures.masks import mask_boxes_xyxy
from instructsam.visualization import outlines
from instructsam.visualization import overlay as drawing
from instructsam.visualization.overlay import canvas_size, draw_focus, draw_overlay
from instructsam.visualization.palette import AMBER, DARK, PALETTE, color_of
from instructsam.visualization.patches import cut_patches


def overlay(masks: Any, image: Image.Image, **fields: Any) -> Image.Image:
    scores = np.full(len(masks), 0.9, dtype=np.float32)
    ids = np.zeros(len(masks), dtype=np.int64)
    fields = {"phrases": ("mug",), "instruction": "the mug", "boxes_xyxy": mask_boxes_xyxy(masks), **fields}
    return draw_overlay(image, masks, scores=scores, phrase_ids=ids, **fields)


def focus(masks: NDArray[np.bool_], image: Image.Image, line: int = 2) -> NDArray[np.uint8]:
    patches = cut_patches(masks, image.size)
    return np.asarray(draw_focus(image, patches, range(len(patches)), line))


def square(size: int = 600, low: int = 200, high: int = 400) -> NDArray[np.bool_]:
    masks = np.zeros((1, size, size), dtype=np.bool_)
    masks[0, low:high, low:high] = True
    return masks


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (200, 30, 30), PALETTE[0]])
def test_chosen_pixels_keep_their_colours_and_the_rest_is_grey(background: tuple[int, int, int]) -> None:
    pixels = focus(square(), Image.new("RGB", (600, 600), background))
    assert (pixels[200:400, 200:400] == background).all()
    rest = pixels[50, 50]
    assert len(set(rest.tolist())) == 1
    assert np.abs(rest.astype(int) - background).max() > 30  # even where the picture is grey already
    # Outside the mask: the bright line, then the dark one.
    assert pixels[300, 195:200].tolist()[-3:] == [list(DARK), *[list(PALETTE[0])] * 2]


def test_touching_instances_have_a_dark_seam_between_bright_lines() -> None:
    masks = np.zeros((2, 60, 60), dtype=np.bool_)
    masks[0, 10:50, 10:30] = True
    masks[1, 10:50, 30:50] = True
    pixels = focus(masks, Image.new("RGB", (60, 60), "white"))
    row = pixels[30, 26:34].tolist()
    white, first, second, dark = [255] * 3, list(PALETTE[0]), list(PALETTE[1]), list(DARK)
    assert row == [white, dark, second, dark, dark, first, dark, white]


def test_a_mask_of_one_pixel_keeps_its_pixel() -> None:
    masks = np.zeros((1, 40, 40), dtype=np.bool_)
    masks[0, 20, 20] = True
    pixels = focus(masks, Image.new("RGB", (40, 40), (9, 200, 9)))
    assert pixels[20, 20].tolist() == [9, 200, 9]
    assert pixels[20, 21].tolist() == list(PALETTE[0])


def test_an_outline_is_closed_at_the_border_of_the_picture() -> None:
    pixels = focus(np.ones((1, 50, 50), dtype=np.bool_), Image.new("RGB", (50, 50), "white"))
    for line in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (line == PALETTE[0]).all()
    assert (pixels[25, 25] == 255).all()


@pytest.mark.parametrize("line", [1, 2, 5, 12])
def test_outlines_have_their_width_and_never_lie_on_a_lone_mask(line: int) -> None:
    pixels = focus(square(), Image.new("RGB", (600, 600), "white"), line)
    assert (pixels[200:400, 200:400] == 255).all()
    bright = (pixels[300, :200] == PALETTE[0]).all(axis=-1).sum()
    assert line - 2 <= bright <= line + 2
    assert (pixels[300, :200] == DARK).all(axis=-1).any()


def test_thin_masks_survive_a_large_photo() -> None:
    masks = np.zeros((1, 2000, 3000), dtype=np.bool_)
    masks[0, :, 1501] = True
    masks[0, 999, :] = True
    (patch,) = cut_patches(masks, (600, 400))
    assert patch.box == (0, 0, 600, 400)
    assert patch.inside.any(axis=0).all()
    assert patch.inside.any(axis=1).all()
    assert patch.inside.sum() == 600 + 400 - 1


def test_patches_are_where_the_masks_are_at_every_scale() -> None:
    rng = np.random.default_rng(3)
    for width, height, size in [(300, 200, (100, 67)), (37, 53, (240, 344)), (640, 480, (640, 480))]:
        masks = np.zeros((4, height, width), dtype=np.bool_)
        for mask in masks:
            x, y = rng.integers(0, width - 9), rng.integers(0, height - 9)
            mask[y : y + 9, x : x + 9] = True
        for patch, box in zip(cut_patches(masks, size), mask_boxes_xyxy(masks), strict=True):
            rows, columns = np.nonzero(patch.inside)
            edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            found = np.array(edges) + np.array([patch.left, patch.top] * 2)
            scale = np.array([size[0] / width, size[1] / height] * 2)
            assert np.abs(found - box * scale).max() <= max(1, scale.max() / 2)


def test_large_photos_are_shrunk_unless_asked_and_small_ones_grow() -> None:
    width, height = canvas_size((6000, 4000), 3, drawing.MAX_PIXELS)
    assert width * height == pytest.approx(drawing.MAX_PIXELS, rel=0.01)
    assert width / height == pytest.approx(1.5, rel=0.01)
    assert canvas_size((6000, 4000), 3, None) == (6000, 4000)
    assert canvas_size((1200, 800), 3, drawing.MAX_PIXELS) == (1200, 800)
    assert canvas_size((256, 256), 3, None) == (512, 512)
    assert canvas_size((256, 256), 100, None) == (1024, 1024)  # room for the numbers
    assert max(canvas_size((60_000, 20), 3, drawing.MAX_PIXELS)) == 16_000


def test_input_is_not_changed_and_numbers_differ_after_the_palette() -> None:
    image = Image.new("RGB", (500, 500), "gray")
    before = image.tobytes()
    masks = square(500, 0, 9)
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


def test_nothing_found_greys_everything_and_gets_an_amber_strip() -> None:
    nothing = np.zeros((0, 480, 640), dtype=np.bool_)
    image = Image.new("RGB", (640, 480), (200, 30, 30))
    empty = np.asarray(overlay(nothing, image))
    assert (empty[-3] == AMBER).all()
    assert (empty[:480].max(axis=-1) == empty[:480].min(axis=-1)).all()
    one = np.ones((1, 480, 640), dtype=np.bool_)
    assert not (np.asarray(overlay(one, image)) == AMBER).all(axis=-1).any()


def test_strip_grows_with_the_words() -> None:
    masks = np.ones((1, 480, 640), dtype=np.bool_)
    image = Image.new("RGB", (640, 480), "gray")
    heights = [overlay(masks, image, instruction=text).height for text in ("mug", "the mug", "mug " * 60)]
    assert 480 < heights[0] < heights[1] < heights[2]  # the first only repeats the phrase


def test_an_empty_mask_is_numbered_at_its_box() -> None:
    masks = np.zeros((1, 480, 640), dtype=np.bool_)
    box = np.array([[300, 200, 340, 240]], dtype=np.float32)
    pixels = np.asarray(overlay(masks, Image.new("RGB", (640, 480), "black"), boxes_xyxy=box))
    rows, columns = np.nonzero((pixels[:480] == PALETTE[0]).all(axis=-1))
    assert rows.size
    assert np.abs(columns - 320).max() < 60
    assert np.abs(rows - 220).max() < 60


def test_colours_tell_phrases_apart_when_there_are_several() -> None:
    masks = np.zeros((3, 480, 640), dtype=np.bool_)
    for index in range(3):
        masks[index, 100:200, 100 + 150 * index : 200 + 150 * index] = True
    ids = np.array([1, 0, 1])
    picture = draw_overlay(
        Image.new("RGB", (640, 480)), masks, mask_boxes_xyxy(masks), np.ones(3, np.float32), ids, ["a", "b"]
    )
    left_of_each = [np.asarray(picture)[150, 99 + 150 * index].tolist() for index in range(3)]
    assert left_of_each == [list(color_of(1)), list(color_of(0)), list(color_of(1))]


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match=r"size of the image \(48, 64\), got \(64, 48\)"):
        overlay(np.zeros((1, 64, 48), dtype=np.bool_), Image.new("RGB", (64, 48)))


def test_work_stays_in_the_boxes_of_the_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outlines of small instances on a large picture touch few pixels: the cost does not grow with the picture."""
    grow = outlines._grow
    seen: list[int] = []

    def counted(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
        seen.append(mask.size * by)
        return grow(mask, by)

    monkeypatch.setattr(outlines, "_grow", counted)
    masks = np.zeros((1, 1500, 2000), dtype=np.bool_)
    masks[0, 700:720, 900:930] = True
    image = Image.new("RGB", (2000, 1500))
    overlay(masks, image, max_pixels=None)
    assert 0 < sum(seen) < 20_000
    seen.clear()
    focus(np.ones((1, 1000, 1000), dtype=np.bool_), Image.new("RGB", (1000, 1000)), line=30)
    assert sum(seen) < 1_000_000  # a thick line is computed on a coarser grid
