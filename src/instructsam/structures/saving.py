"""Image files: the suffix decides the format, and writing is atomic."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from instructsam.errors import InputError
from instructsam.structures.files import write_bytes

# Overlays are many and large, so speed matters more than size; thin coloured lines need full chroma.
_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG", "compress_level": 1},
    ".jpg": {"format": "JPEG", "quality": 90, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 90, "subsampling": 0},
    ".webp": {"format": "WEBP", "quality": 85, "method": 1},
}
IMAGE_SUFFIXES: tuple[str, ...] = tuple(_OPTIONS)


def save_image(render: Callable[[], Image.Image], path: Path) -> Path:
    """Render an image and write it; the path is checked before anything is rendered.

    Raises:
        InputError: unknown suffix, missing folder, a folder has this name, no permission, or an image that is too large
            for its format.
    """
    options = _OPTIONS.get(path.suffix.lower())
    if options is None:
        raise InputError(f"an image must be saved as {', '.join(IMAGE_SUFFIXES)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise InputError(f"the folder {str(path.parent)!r} does not exist: create it or choose another")
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder: give the name of an image file")
    image = render()
    stream = io.BytesIO()
    try:
        image.save(stream, **options)
    except (OSError, ValueError) as error:
        size = f"{image.width} x {image.height} px"
        raise InputError(
            f"cannot write {str(path)!r}: an image of {size} does not fit {options['format']} ({error}); save as .png"
        ) from error
    write_bytes(path, stream.getvalue())
    return path
