"""Pixels for both vision encoders equal the recorded ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from instructsam.model.pixels import square_pixels
from instructsam.model.vlm.base import PixelRules
from instructsam.model.vlm.patches import merged_patches, smart_resize
from tests.reference import assert_near, fields, needs_reference, tensors


def formula(height: int, width: int) -> Image.Image:
    """The recording's test picture."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return Image.fromarray(((7 * x + 13 * y + 50 * c + (x * y) // 97) % 256).astype(np.uint8))


@needs_reference
@pytest.mark.parametrize("size", ["64x96", "1200x1600", "1500x700", "1008x1008"])
def test_detector_pixels(size: str) -> None:
    height, width = map(int, size.split("x"))
    made = square_pixels(formula(height, width), 1008)
    assert_near(made[:, ::63, ::63], tensors("units")[f"sam1008.{size}.every63"])


@needs_reference
def test_smart_size() -> None:
    for size, case in fields("units")["qwen_default_pixels"]["cases"].items():
        height, width = map(int, size.split("x"))
        assert list(smart_resize(height, width, 32, 65536, 16777216)) == case["resized"]


@needs_reference
def test_vlm_patches() -> None:
    patches, grid = merged_patches(formula(120, 150), PixelRules(16, 2, 2, 65536, 16777216))
    assert list(grid) == fields("units")["qwen_120x150"]["grid_thw"][0]
    assert_near(patches[::37], tensors("units")["qwen_120x150.rows_every37"], 1e-3)


@needs_reference
def test_pixels_of_the_recorded_case() -> None:
    case = tensors("n5/teacher_forced")
    first = 0
    for i in range(2):
        image = Image.fromarray(case[f"in.image_uint8.{i}"].numpy())
        patches, grid = merged_patches(image, PixelRules(16, 2, 2, 1024, 65536))
        assert list(grid) == case["in.image_grid_thw"][i].tolist()
        assert_near(patches, case["in.pixel_values"][first : first + len(patches)], 1e-5)
        first += len(patches)
        assert_near(square_pixels(image, 112), case["in.sam_pixel_values"][i], 1e-5)


def test_patches_run_through_merge_blocks() -> None:
    """Row by row of 2 x 2 blocks; inside a block row by row."""
    pixels = np.zeros((4, 8, 3), dtype=np.uint8)
    pixels[:, :, 0] = np.arange(4)[:, None] * 8 + np.arange(8)
    patches, grid = merged_patches(Image.fromarray(pixels), PixelRules(1, 2, 1, 1, 1000))
    assert grid == (1, 4, 8)
    order = ((patches[:, 0] + 1) * 127.5).round().int().tolist()
    assert order[:8] == [0, 1, 8, 9, 2, 3, 10, 11]


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (3, 2)])
def test_slivers_and_specks(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (200, 10, 10))
    patches, (_, rows, columns) = merged_patches(image, PixelRules(8, 2, 1, 12800, 25600))
    assert len(patches) == rows * columns
    assert torch.isfinite(patches).all()
    assert square_pixels(image, 64).shape == (3, 64, 64)


@pytest.mark.parametrize(("patch", "temporal"), [(16, 2), (14, 1), (8, 1)])
def test_patches_equal_those_of_transformers(patch: int, temporal: int) -> None:
    """Exactly where no resize is needed; else the grid is the same, and resizing rounds differently."""
    limits = (64 * patch**2, 256 * patch**2)
    stock = Qwen2VLImageProcessorPil(
        patch_size=patch,
        temporal_patch_size=temporal,
        merge_size=2,
        min_pixels=limits[0],
        max_pixels=limits[1],
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    for height, width in ((10 * patch, 12 * patch), (77, 401), (333, 201), (3, 2)):
        image = formula(height, width)
        theirs = stock(images=image, return_tensors="pt")
        ours, grid = merged_patches(image, PixelRules(patch, 2, temporal, *limits))
        assert list(grid) == theirs["image_grid_thw"][0].tolist()
        difference = (ours - theirs["pixel_values"]).abs()
        assert difference.max() == 0 if height % (2 * patch) == 0 else difference.mean() < 0.02
