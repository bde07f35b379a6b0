"""Comparison of two images by a small grey copy, which survives another size and compression.

Small copies are compared in two steps. The 64 signs of a difference hash (brighter than the left neighbour or not, 9 x
8 cells) find candidates quickly; a 16 x 16 grey copy then decides. Both ignore the size of the image. The limits are
the constants below; docs/data.md says how they were measured.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.errors import ImageError
from instructsam.images.formats import open_header
from instructsam.images.limits import BROKEN_PICTURE, damaged
from instructsam.images.loader import load_image
from instructsam.images.orientation import read_orientation, turn_upright

MOST_BITS = 24  # of 64 that may differ: signs between equal neighbours are noise
MOST_DIFFERENCE = 3.0  # grey levels of 255, on average over the 16 x 16 cells
MOST_OF_CONTRAST = 0.2  # the same, as a share of the standard deviation of the cells
LEAST_CONTRAST = 4.0  # standard deviation of the cells; plainer images resemble too many others
MOST_STRETCH = 0.03  # relative difference of the aspect ratios
CELLS = 16
_ROWS, _COLUMNS = 8, 9
_DRAFT = 128  # px: JPEG files are decoded at an eighth to a half of their size, not below this
_LAYOUT = struct.Struct(">Qd")
_BITS = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)


@dataclass(frozen=True)
class SmallCopy:
    """A small grey copy of an upright image.

    Attributes:
        bits: the difference hash.
        cells: uint8 [256], 16 x 16 grey levels.
        aspect: width / height.
    """

    bits: int
    cells: bytes
    aspect: float

    def to_bytes(self) -> bytes:
        """`from_bytes` reads it back."""
        return _LAYOUT.pack(self.bits, self.aspect) + self.cells

    @classmethod
    def from_bytes(cls, value: bytes) -> SmallCopy:
        """The copy that `to_bytes` wrote."""
        bits, aspect = _LAYOUT.unpack_from(value)
        return cls(bits, value[_LAYOUT.size :], aspect)

    @property
    def contrast(self) -> float:
        """Standard deviation of the cells."""
        return float(np.frombuffer(self.cells, dtype=np.uint8).std())

    @property
    def is_plain(self) -> bool:
        """Whether it has too little contrast to be compared."""
        return self.contrast < LEAST_CONTRAST


def small_copy(path: Path) -> SmallCopy:
    """The small copy of an image file.

    Raises:
        ImageError: the image cannot be read.
    """
    return _copied(*_grey(path))


def small_copy_of(image: Image.Image) -> SmallCopy:
    """The small copy of an upright image that is no file."""
    return _copied(image.convert("L"), image.size)


def _copied(grey: Image.Image, size: tuple[int, int]) -> SmallCopy:
    width, height = size
    cells = np.asarray(grey.resize((_COLUMNS, _ROWS), Image.Resampling.BOX), dtype=np.int16)
    signs = (cells[:, 1:] > cells[:, :-1]).ravel()
    bits = int.from_bytes(np.packbits(signs).tobytes(), "big")
    return SmallCopy(bits, grey.resize((CELLS, CELLS), Image.Resampling.BOX).tobytes(), width / height)


def _grey(path: Path) -> tuple[Image.Image, tuple[int, int]]:
    """The upright image in grey, JPEG files at a fraction of their size, and its full (width, height)."""
    try:
        with path.open("rb") as stream:
            opened = open_header(stream, str(path))
            if opened.format == "JPEG":
                width, height = opened.size
                orientation = read_orientation(opened)
                opened.draft("L", (_DRAFT, _DRAFT))
                grey = turn_upright(opened.convert("L"), orientation, False, [])
                turned = orientation >= 5  # a quarter turn
                return grey, ((height, width) if turned else (width, height))
    except BROKEN_PICTURE as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(damaged(str(path), error)) from error
    image = load_image(path).image
    return image.convert("L"), image.size


class SmallCopies:
    """Small copies to search in.

    Args:
        copies: in the order of the answers of `find`; plain ones are never found.
    """

    def __init__(self, copies: Sequence[SmallCopy]) -> None:
        self.rows = [row for row, copy in enumerate(copies) if not copy.is_plain]
        kept = [copies[row] for row in self.rows]
        self.bits = np.array([copy.bits for copy in kept], dtype=np.uint64)
        self.cells: NDArray[np.int16] = np.array(
            [np.frombuffer(copy.cells, dtype=np.uint8) for copy in kept], dtype=np.int16
        ).reshape(len(kept), CELLS * CELLS)
        self.aspects = np.array([copy.aspect for copy in kept])

    def find(self, copy: SmallCopy) -> int | None:
        """The index of the most similar copy that shows the same picture; None without one."""
        if not self.rows or copy.is_plain:
            return None
        different = self.bits ^ np.uint64(copy.bits)
        counts = _BITS[different.view(np.uint8).reshape(-1, 8)].sum(axis=1)
        stretched = np.abs(np.log(self.aspects / copy.aspect))
        near = np.flatnonzero((counts <= MOST_BITS) & (stretched <= MOST_STRETCH))
        if not near.size:
            return None
        cells = np.frombuffer(copy.cells, dtype=np.uint8).astype(np.int16)
        distances = np.abs(self.cells[near] - cells).mean(axis=1)
        best = int(distances.argmin())
        limit = min(MOST_DIFFERENCE, MOST_OF_CONTRAST * copy.contrast)
        return self.rows[int(near[best])] if distances[best] <= limit else None
