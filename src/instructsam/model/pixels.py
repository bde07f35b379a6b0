"""Images as tensors for the vision encoders. Needs no torchvision.

Resizing is torch's, on bytes: transformers' PIL image processors differ from it by up to 20 of 255 levels. Bytes become
floats as late as possible: training batches hold bytes, which take a quarter of the memory on their way to the device.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F


def to_tensor(image: Image.Image | NDArray[np.uint8]) -> Tensor:
    """RGB image, or uint8 [H, W, 3] -> uint8 [1, 3, H, W], channels last in memory: resizing takes half as long so."""
    return torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1).unsqueeze(0)


def normalize(pixels: Tensor) -> Tensor:
    """uint8 -> float in [-1, 1]: /255, mean 0.5, std 0.5, the constants of all supported models."""
    return pixels.float().div_(127.5).sub_(1.0)


def resize(pixels: Tensor, height: int, width: int, mode: str) -> Tensor:
    """Antialiased resize of uint8 [1, 3, H, W]; `mode` is bilinear or bicubic."""
    if pixels.shape[-2:] == (height, width):
        return pixels
    return F.interpolate(pixels, size=(height, width), mode=mode, antialias=True)


def square_bytes(pixels: Tensor, side: int, mode: str = "bilinear") -> Tensor:
    """uint8 [1, 3, H, W] resized to a square, whatever the aspect ratio: uint8 [3, side, side]."""
    return resize(pixels, side, side, mode)[0]


def square_pixels(image: Image.Image, side: int, mode: str = "bilinear") -> Tensor:
    """Resize to a square, whatever the aspect ratio: float [3, side, side]."""
    return normalize(square_bytes(to_tensor(image), side, mode))
