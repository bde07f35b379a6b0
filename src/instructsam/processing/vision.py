"""Pixels for both towers, from one RGB image (docs/model.md, "Image inputs"). Needs no torchvision."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from instructsam.errors import ImageError

MAX_ASPECT = 200


def to_tensor(image: Image.Image) -> Tensor:
    """RGB picture -> uint8 [1, 3, H, W]."""
    return torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1).unsqueeze(0).contiguous()


def normalise(pixels: Tensor) -> Tensor:
    """uint8 -> float in [-1, 1]: /255, mean 0.5, std 0.5, the constants of both models."""
    return pixels.float().div_(127.5).sub_(1.0)


def resize(pixels: Tensor, height: int, width: int, mode: str) -> Tensor:
    """Antialiased resize of uint8 [1, 3, H, W]; `mode` is bilinear or bicubic."""
    if pixels.shape[-2:] == (height, width):
        return pixels
    return F.interpolate(pixels, size=(height, width), mode=mode, antialias=True)


def detector_pixels(image: Image.Image, image_size: int) -> Tensor:
    """Squash to the detector's square: float [3, S, S]."""
    return normalise(resize(to_tensor(image), image_size, image_size, "bilinear"))[0]


def smart_size(height: int, width: int, factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Size to resize to: multiples of `factor`, aspect ratio kept, area within the limits (Qwen3-VL).

    Returns:
        (height, width) in pixels.
    """
    new_height, new_width = round(height / factor) * factor, round(width / factor) * factor
    if new_height * new_width > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        new_height = max(factor, math.floor(height / shrink / factor) * factor)
        new_width = max(factor, math.floor(width / shrink / factor) * factor)
    elif new_height * new_width < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        new_height = math.ceil(height * grow / factor) * factor
        new_width = math.ceil(width * grow / factor) * factor
    return new_height, new_width


def limit_aspect(image: Image.Image) -> Image.Image:
    """Pad a sliver (longer than 200:1) with its own edge colour, so that the VLM can take it."""
    width, height = image.size
    short = math.ceil(max(width, height) / (MAX_ASPECT - 1))
    if min(width, height) >= short:
        return image
    padded = Image.new("RGB", (max(width, short), max(height, short)))
    padded.paste(image.resize(padded.size))
    padded.paste(image, (0, 0))
    return padded


def vlm_patches(
    image: Image.Image, patch: int, merge: int, temporal: int, min_pixels: int, max_pixels: int
) -> tuple[Tensor, tuple[int, int, int]]:
    """Patches in the order that Qwen3-VL's vision tower reads: merge blocks row by row.

    Returns:
        float [t * gh * gw, 3 * temporal * patch * patch] and the grid (t, gh, gw).
    """
    image = limit_aspect(image)
    if image.width < 1 or image.height < 1:
        raise ImageError(f"an image needs at least one pixel, got {image.width}x{image.height}")
    height, width = smart_size(image.height, image.width, patch * merge, min_pixels, max_pixels)
    pixels = normalise(resize(to_tensor(image), height, width, "bicubic"))[0]
    rows, columns = height // patch, width // patch
    blocks = pixels.reshape(3, rows // merge, merge, patch, columns // merge, merge, patch)
    blocks = blocks.permute(1, 4, 2, 5, 0, 3, 6)  # block row, block column, row, column, channel, y, x
    frames = blocks.unsqueeze(5).expand(-1, -1, -1, -1, -1, temporal, -1, -1)
    return frames.reshape(rows * columns, 3 * temporal * patch * patch), (1, rows, columns)
