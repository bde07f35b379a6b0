"""Image files of requests."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image


def png(width: int = 80, height: int = 64, seed: int = 0) -> bytes:
    """The content of a PNG file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def base64_png(width: int = 80, height: int = 64, seed: int = 0) -> str:
    """The content of a PNG file in base64."""
    return base64.b64encode(png(width, height, seed)).decode()
