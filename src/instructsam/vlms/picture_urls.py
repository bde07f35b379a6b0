"""Pictures as data URLs, each encoded once while it lives."""

from __future__ import annotations

import io
import threading
import weakref
from typing import Literal

from PIL import Image

from instructsam.vlms.endpoint import data_url, png_url

Format = Literal["auto", "png", "jpeg"]
QUALITY = 95  # of JPEG, without chroma subsampling: numbers and outlines of one pixel stay legible
SMALL = 256 * 256  # pixels; below it the bytes do not matter
COLOURS = 4096  # a photograph has more


class PictureUrls:
    """Data URLs by picture. A picture is encoded at its first use, and forgotten when nothing else refers to it.

    The same picture always has the same URL, so that servers with a prefix cache recognize it.
    """

    def __init__(self, picture_format: Format = "auto") -> None:
        """`auto` is PNG for drawings and small pictures, and JPEG for photographs."""
        self.picture_format = picture_format
        self._lock = threading.Lock()
        self._slots: dict[int, _Slot] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __call__(self, image: Image.Image) -> str:
        """The data URL of a picture, which must not be changed afterwards."""
        with self._lock:
            slot = self._slots.get(id(image))
            if slot is None:
                slot = self._slots[id(image)] = _Slot()
                weakref.finalize(image, self._slots.pop, id(image), None).atexit = False
        with slot.lock:
            if not slot.url:
                slot.url = self._encode(image)
        return slot.url

    def _encode(self, image: Image.Image) -> str:
        kind = self.picture_format
        if kind == "png" or (kind == "auto" and not _is_photograph(image)):
            return png_url(image)
        stream = io.BytesIO()
        image.convert("RGB").save(stream, format="JPEG", quality=QUALITY, subsampling=0)
        return data_url("jpeg", stream.getvalue())


class _Slot:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.url = ""


def _is_photograph(image: Image.Image) -> bool:
    large = image.width * image.height > SMALL
    return large and image.convert("RGB").getcolors(COLOURS) is None
