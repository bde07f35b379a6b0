"""Patches of the Qwen-VL families (docs/model.md, "Image inputs")."""

from __future__ import annotations

import math

from PIL import Image
from torch import Tensor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from instructsam.errors import ImageError
from instructsam.model.pixels import normalize, resize, to_tensor
from instructsam.model.vlm.base import PixelRules

MAX_ASPECT = 200


def limit_aspect(image: Image.Image) -> Image.Image:
    """Pad an image longer than 200:1 with its own edge colour, up to the aspect ratio that `smart_resize` takes."""
    width, height = image.size
    short = math.ceil(max(width, height) / (MAX_ASPECT - 1))
    if min(width, height) >= short:
        return image
    padded = Image.new("RGB", (max(width, short), max(height, short)))
    padded.paste(image.resize(padded.size))
    padded.paste(image, (0, 0))
    return padded


def merged_patches(image: Image.Image, rules: PixelRules) -> tuple[Tensor, tuple[int, int, int]]:
    """Patches as floats: `patch_bytes`, then `repeat_frames`.

    Returns:
        float [t * gh * gw, 3 * temporal * patch * patch] and the grid (t, gh, gw).
    """
    patches, grid = patch_bytes(to_tensor(image), rules)
    return repeat_frames(patches, rules.temporal_patch_size), grid


def patch_bytes(pixels: Tensor, rules: PixelRules) -> tuple[Tensor, tuple[int, int, int]]:
    """Patches in the order of the Qwen-VL vision encoders: merge blocks row by row, and row by row inside a block.

    Args:
        pixels: uint8 [1, 3, H, W].
        rules: of the model.

    Returns:
        uint8 [t * gh * gw, 3 * patch * patch] and the grid (t, gh, gw).
    """
    height, width = pixels.shape[-2:]
    if width < 1 or height < 1:
        raise ImageError(f"an image needs at least one pixel, got {width}x{height}")
    if max(height, width) > (MAX_ASPECT - 1) * min(height, width):
        pixels = to_tensor(limit_aspect(Image.fromarray(pixels[0].permute(1, 2, 0).numpy())))
        height, width = pixels.shape[-2:]
    patch, merge = rules.patch_size, rules.merge_size
    height, width = smart_resize(height, width, patch * merge, rules.min_pixels, rules.max_pixels)
    resized = resize(pixels, height, width, "bicubic")[0]
    rows, columns = height // patch, width // patch
    blocks = resized.reshape(3, rows // merge, merge, patch, columns // merge, merge, patch)
    blocks = blocks.permute(1, 4, 2, 5, 0, 3, 6)  # block row, block column, row, column, channel, y, x
    return blocks.reshape(rows * columns, 3 * patch * patch), (1, rows, columns)


def repeat_frames(patches: Tensor, temporal: int) -> Tensor:
    """uint8 [N, 3 * patch * patch] as float [N, 3 * temporal * patch * patch], an image being a still video."""
    frames = normalize(patches).reshape(len(patches), 3, 1, -1).expand(-1, -1, temporal, -1)
    return frames.reshape(len(patches), -1)
