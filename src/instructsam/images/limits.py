"""Size limits of images, the errors that Pillow raises on damaged files, and the messages for both."""

from __future__ import annotations

import struct
import zlib

from instructsam.errors import ImageError
from instructsam.structures.masks import MAX_PIXELS as MAX_PIXELS  # images and masks have the same limit

MAX_BYTES = 8 * MAX_PIXELS
"""Largest accepted size of decoded samples: bands of a scientific file multiply its pixels."""

BROKEN_PICTURE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    struct.error,
    zlib.error,
)
"""Errors that decoders raise on damaged files."""


def check_size(size: tuple[int, int], name: str) -> None:
    """Refuse a (width, height) outside 1 x 1 px to `MAX_PIXELS`.

    Raises:
        ImageError: it is outside.
    """
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{name}: the image is {width} x {height} pixels, at least 1 x 1 was expected")
    if width * height > MAX_PIXELS:
        raise ImageError(too_large(name, f"{width} x {height} pixels"))


def too_large(name: str, size: str = "too many pixels") -> str:
    """The message for an image of more than `MAX_PIXELS`."""
    limit = MAX_PIXELS // 1_000_000
    return f"{name}: the image has {size}, at most {limit} megapixels are accepted: make it smaller"


def damaged(name: str, error: Exception) -> str:
    """The message for a file whose decoder failed."""
    return f"{name}: the image is damaged or truncated ({str(error) or type(error).__name__})"
