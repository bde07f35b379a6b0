"""Which files of a folder are pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from instructsam.errors import ImageError

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    {
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".webp",
    }
    | {
        ".avif",
        ".heic",
        ".heif",
        ".hif",
        ".jp2",
        ".j2k",
        ".j2c",
        ".jpf",
        ".jpx",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    }
)
"""File names that count as pictures when a folder is expanded (lower case)."""


def iter_image_paths(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Files in the order given, each once; a folder stands for the pictures directly inside it, by name.

    Hidden files in folders are skipped. Paths that do not exist are kept: `load_image` says what is wrong.

    Raises:
        ImageError: a folder cannot be listed or holds no picture.
    """
    found: dict[str, Path] = {}
    for given in map(Path, paths):
        for path in _pictures_in(given) if os.path.isdir(given) else [given]:
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _pictures_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ImageError(f"{folder}: the folder cannot be listed ({error.strerror})") from error
    visible = (path for path in entries if not path.name.startswith("."))
    pictures = [path for path in visible if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    if not pictures:
        suffixes = " ".join(sorted(IMAGE_SUFFIXES))
        raise ImageError(f"{folder}: the folder holds no picture (looked for {suffixes})")
    return pictures
