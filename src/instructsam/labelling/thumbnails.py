"""Small copies of the images beside a review page: made while images are decoded, or later where one is missing."""

from __future__ import annotations

import os
from pathlib import Path

from instructsam.errors import ImageError, InputError
from instructsam.images.loader import load_image
from instructsam.inference.answer_log import Content
from instructsam.labelling.answerer import make_thumbnail
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import reason


class Thumbnails:
    """JPEG files named by the content of their images.

    Args:
        folder: created when the first one is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known = {path.name for path in folder.glob("*.jpg")}
        self._used: set[str] = set()

    def keep(self, content: Content, thumbnail: bytes) -> str:
        """Write a thumbnail; returns its file name.

        Raises:
            InputError: it cannot be written.
        """
        name = _name(content)
        if name not in self._known:
            prepare_folder(self.folder) if not self._known else None
            pending = self.folder / f".writing-{name}"
            try:  # without a flush to the disk: a lost thumbnail is made again
                pending.write_bytes(thumbnail)
                os.replace(pending, self.folder / name)
            except OSError as error:
                raise InputError(f"{self.folder / name}: cannot be written ({reason(error)})") from error
            self._known.add(name)
        return name

    def name_of(self, content: Content, image: Path) -> str | None:
        """The file name of the thumbnail of an image, which is made if it is missing; None if that is impossible."""
        name = _name(content)
        self._used.add(name)
        if name in self._known:
            return name
        try:
            return self.keep(content, make_thumbnail(load_image(image).image))
        except ImageError:
            return None

    def remove_unused(self) -> None:
        """Remove thumbnails of images that are no longer shown."""
        for path in self.folder.glob("*.jpg"):
            if path.name not in self._used:
                path.unlink(missing_ok=True)
        for path in self.folder.glob(".writing-*"):
            path.unlink(missing_ok=True)


def _name(content: Content) -> str:
    return f"{content.hash.rpartition(' ')[2][:24]}.jpg"
