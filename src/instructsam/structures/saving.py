"""Pictures on the disk: the suffix decides the format, and a file is written whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from instructsam.errors import InputError
from instructsam.structures.files import write_bytes

# Overlays are many and large: speed comes before the last tenth of size; thin coloured lines need full chroma.
_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG", "compress_level": 1},
    ".jpg": {"format": "JPEG", "quality": 90, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 90, "subsampling": 0},
    ".webp": {"format": "WEBP", "quality": 85, "method": 1},
}
PICTURE_SUFFIXES: tuple[str, ...] = tuple(_OPTIONS)


def save_image(render: Callable[[], Image.Image], path: Path) -> Path:
    """Renders a picture and writes it, once the place is known to be good.

    Raises:
        InputError: unknown suffix, missing folder, a folder in the way, no permission, or a picture that is too large
            for its format.
    """
    options = _OPTIONS.get(path.suffix.lower())
    if options is None:
        raise InputError(f"a picture must be saved as {', '.join(PICTURE_SUFFIXES)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise InputError(f"the folder {str(path.parent)!r} does not exist; make it first or save elsewhere")
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder; give the name of a picture file")
    picture = render()
    stream = io.BytesIO()
    try:
        picture.save(stream, **options)
    except (OSError, ValueError) as error:
        size = f"{picture.width} x {picture.height} px"
        raise InputError(
            f"cannot write {str(path)!r}: a picture of {size} does not fit {options['format']} ({error}); save as .png"
        ) from error
    write_bytes(path, stream.getvalue())
    return path
