"""Image files of requests."""

from __future__ import annotations

import base64
import io

from tests.tiny import picture


def png(width: int = 80, height: int = 64, seed: int = 0) -> bytes:
    """The content of a PNG file."""
    content = io.BytesIO()
    picture(seed, width, height).save(content, "PNG")
    return content.getvalue()


def base64_png(width: int = 80, height: int = 64, seed: int = 0) -> str:
    """The content of a PNG file in base64."""
    return base64.b64encode(png(width, height, seed)).decode()
