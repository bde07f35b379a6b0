"""Images beside their labels, for formats whose tools look for them there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Literal

from instructsam.errors import InputError
from instructsam.exports.labelled_image import LabelledImage

Placing = Literal["link", "copy", "none"]
"""Option: images are symbolic links to the originals, copies, or left out."""

LEFT_OUT = "images are not in the export: they were not kept and have no file"


def file_name(image: LabelledImage, stem: str) -> str:
    """Where an image belongs: `stem` with the suffix of its file; images in memory become PNG files."""
    return stem + (PurePosixPath(image.name).suffix if image.path is not None else ".png")


def place_image(image: LabelledImage, target: Path, placing: Placing) -> bool:
    """Link, copy or write an image to `target`; its folders are created.

    Returns:
        Whether there was an image.

    Raises:
        InputError: the image file is missing.
        OSError: the target cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if image.path is None:
        if image.image is not None:
            image.image.save(target)
        return image.image is not None
    if not image.path.is_file():
        raise InputError(
            f"{image.path}: the image file is missing: fetch it, or export labels alone with images='none'"
        )
    if placing == "copy":
        shutil.copyfile(image.path, target)
    else:
        target.symlink_to(os.path.abspath(image.path))
    return True
