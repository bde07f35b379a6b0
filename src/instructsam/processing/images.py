"""The image loader under the name that callers above `processing` use; it lives in `instructsam.images`."""

from __future__ import annotations

from instructsam.images.folders import IMAGE_SUFFIXES, iter_image_paths
from instructsam.images.limits import MAX_PIXELS
from instructsam.images.loader import LoadedImage, load_bytes, load_image, read_size, size_mismatch

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "LoadedImage",
    "iter_image_paths",
    "load_bytes",
    "load_image",
    "read_size",
    "size_mismatch",
]
