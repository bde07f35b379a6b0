"""Checks of the images of a source: which are there, which can be read, which are the same file twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from instructsam.data.image_store import ImageStore
from instructsam.data.record import Record
from instructsam.errors import InputError
from instructsam.experiments.data_check import findings as f
from instructsam.experiments.data_check.findings import Findings
from instructsam.experiments.data_check.selection import Selection, digest_of
from instructsam.structures.safe_text import one_line

SAMPLE = 200  # images that are decoded unless all are
_MOST_COMPARED = 500_000  # images among which equal files are found
_END = 4096  # bytes at the beginning and the end of a file that are compared first


class ImageCheck:
    """Checks of the images of records, one after the other.

    Args:
        images: loads them.
        look: whether images are looked for at all; otherwise only their stated sizes are compared.
        all_pixels: decode every image; otherwise a sample of `SAMPLE`, the same ones every time.

    Attributes:
        absent, first_absent: number of missing images, and the place of one of them.
        decoded, unreadable, first_unreadable: number of decoded images, of those that failed, and the first reason.
    """

    def __init__(self, images: ImageStore, look: bool = True, all_pixels: bool = False) -> None:
        self.images = images
        self.look = look
        self.all_pixels = all_pixels
        self.absent, self.first_absent = 0, ""
        self.decoded, self.unreadable, self.first_unreadable = 0, 0, ""
        self._sizes: dict[int, tuple[int, int]] = {}
        self._sample: Selection[Record] = Selection(SAMPLE)
        self._by_bytes: dict[int, list[str]] = {}

    def add(self, record: Record, findings: Findings) -> bool:
        """Look at the image of a record; whether it is the first record about this image."""
        image = record.image
        key, size = digest_of(image.file), (image.width, image.height)
        if key in self._sizes:
            if self._sizes[key] != size:
                findings.add(f.TWO_SIZES, f"record {one_line(record.id)!r}")
            return False
        self._sizes[key] = size
        if self.look:
            self._look_for(record, key)
        return True

    def _look_for(self, record: Record, key: int) -> None:
        file = record.image.file
        if not self.images.has(file):
            self.absent += 1
            self.first_absent = self.first_absent or self.images.place(file)
        elif self.all_pixels:
            self._decode(record)
        else:
            self._sample.add(key, record)
        if len(self._sizes) <= _MOST_COMPARED:
            self._note_file(self.images.place(file))

    def finish(self, findings: Findings) -> None:
        """Decode the sample, and compare files of the same length."""
        for record in self._sample.items():
            self._decode(record)
        for files in self._by_bytes.values():
            for first, copies in _equal_files(files):
                findings.add(f.SAME_FILE, f"{copies[0]} and {first}", len(copies))

    def _decode(self, record: Record) -> None:
        self.decoded += 1
        try:
            self.images.load(record)
        except InputError as error:
            self.unreadable += 1
            self.first_unreadable = self.first_unreadable or str(error)

    def _note_file(self, place: str) -> None:
        try:
            length = os.stat(place).st_size
        except (OSError, ValueError):  # missing, or a row of a table
            return
        self._by_bytes.setdefault(length, []).append(place)


def _equal_files(files: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Each file that has copies among others of the same length, with them."""
    groups: list[list[str]] = [list(files)]
    for whole in (False, True):
        parts: dict[bytes, list[str]] = {}
        for file in (file for group in groups if len(group) > 1 for file in group):
            parts.setdefault(_digest_of_file(Path(file), whole), []).append(file)
        groups = list(parts.values())
    return [(group[0], group[1:]) for group in groups if len(group) > 1]


def _digest_of_file(path: Path, whole: bool) -> bytes:
    """Of all of a file or of both its ends; of its name if it cannot be read, which `ImageCheck` reports."""
    try:
        with path.open("rb") as stream:
            content = stream.read(-1 if whole else _END)
            if not whole:
                stream.seek(max(0, path.stat().st_size - _END))
                content += stream.read(_END)
    except OSError:
        content = str(path).encode()
    return hashlib.blake2b(content).digest()
