"""Groups of images that show the same picture, by name and by pixels; all pairs are compared.

The mean of a small copy's cells differs by no more than the cells do on average, so copies are sorted by their mean,
and each is compared with those whose mean is near. No similar pair is missed: the result is that of `SmallCopies.find`
for every pair, and it does not depend on the order of the images. Memory: about 1 KB per image.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from instructsam.data.image_hashes import (
    CELLS,
    MOST_BITS,
    MOST_DIFFERENCE,
    MOST_OF_CONTRAST,
    MOST_STRETCH,
    SmallCopy,
)
from instructsam.data.image_keys import image_key

_BLOCK = 256  # copies that are compared with the following ones at once
_WINDOW = 8192  # following copies at once
_PAIRS = 1 << 15  # pairs whose cells are compared at once
_COARSE = 4  # x 4 means of the cells bound the difference from below

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


class ImageGroups:
    """Images, and after `find` their groups.

    Images are in one group when their files have the same name, when their names have the same identifier
    (`image_keys`), when their small copies are equal, or when these show the same picture; and so are the images that
    are in a group with the same third one.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._parents = array("q")
        self._equal: dict[object, int] = {}
        self._copied, self._bits, self._aspects = array("q"), array("Q"), array("d")
        self._cells = bytearray()
        self._names: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, file: str) -> bool:
        return file in self._numbers

    def add(self, file: str, copy: SmallCopy | None) -> None:
        """Add an image that is not there yet.

        Args:
            file: its name.
            copy: None for an image that is compared by name alone.
        """
        number = self._numbers[file] = len(self._numbers)
        self._parents.append(number)
        key = image_key(file)
        if key is not None:
            self._join(number, self._equal.setdefault(key, number))
        if copy is None:
            return
        first = self._equal.setdefault(hashlib.blake2b(copy.to_bytes(), digest_size=16).digest(), number)
        if first != number:  # equal small copies: one of them is compared
            self._join(number, first)
        elif not copy.is_plain:
            self._copied.append(number)
            self._bits.append(copy.bits)
            self._aspects.append(copy.aspect)
            self._cells += copy.cells

    def find(self) -> None:
        """Compare all images; afterwards `name` knows their groups."""
        cells = np.frombuffer(bytes(self._cells), dtype=np.uint8).reshape(-1, CELLS * CELLS)
        bits, aspects = np.array(self._bits, dtype=np.uint64), np.array(self._aspects)
        for left, right in similar_pairs(bits, cells, aspects):
            for i, j in zip(left.tolist(), right.tolist(), strict=True):
                self._join(self._copied[i], self._copied[j])
        self._names = {}
        for file in sorted(self._numbers):
            self._names.setdefault(self._root(self._numbers[file]), file)

    def name(self, file: str) -> str:
        """The name of an image's group: the smallest of its files. It is known after `find`."""
        return self._names[self._root(self._numbers[file])]

    def repeated(self) -> int:
        """The number of groups with more than one image."""
        sizes = Counter(self._root(number) for number in range(len(self)))
        return sum(size > 1 for size in sizes.values())

    def _root(self, number: int) -> int:
        parents = self._parents
        while parents[number] != number:
            parents[number] = number = parents[parents[number]]
        return number

    def _join(self, a: int, b: int) -> None:
        a, b = self._root(a), self._root(b)
        if a != b:
            self._parents[max(a, b)] = min(a, b)


def similar_pairs(
    bits: NDArray[np.uint64], cells: NDArray[np.uint8], aspects: NDArray[np.float64]
) -> Iterator[Pairs]:
    """The pairs of small copies that show the same picture, as two arrays of indices, in several parts.

    Args:
        bits: [N] difference hashes.
        cells: [N, 256] grey levels.
        aspects: [N] width / height.
    """
    means = cells.mean(axis=1, dtype=np.float64)
    order = np.argsort(means, kind="stable")
    bits, cells, means, stretches = bits[order], cells[order], means[order], np.log(aspects[order])
    limits = np.minimum(MOST_DIFFERENCE, MOST_OF_CONTRAST * cells.std(axis=1, dtype=np.float64))
    side = CELLS // _COARSE
    coarse = cells.reshape(-1, _COARSE, side, _COARSE, side).mean(axis=(2, 4), dtype=np.float32)
    coarse = coarse.reshape(-1, _COARSE * _COARSE)
    for start in range(0, len(order), _BLOCK):
        stop = min(start + _BLOCK, len(order))
        end = int(np.searchsorted(means, means[stop - 1] + MOST_DIFFERENCE, side="right"))
        for first in range(start, end, _WINDOW):
            window = slice(first, min(first + _WINDOW, end))
            near = _bit_counts(bits[start:stop, None] ^ bits[window]) <= MOST_BITS
            left, right = (
                found + offset for found, offset in zip(np.nonzero(near), (start, first), strict=True)
            )
            kept = (left < right) & (np.abs(stretches[left] - stretches[right]) <= MOST_STRETCH)
            left, right = left[kept], right[kept]
            for values, numbers in ((coarse, np.float32), (cells, np.int16)):
                left, right = _near(values, numbers, left, right, limits)
            if left.size:
                yield order[left], order[right]


def _near(
    values: NDArray[np.generic],
    numbers: type[np.generic],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    limits: NDArray[np.float64],
) -> Pairs:
    """The pairs whose mean difference is within the limits of both."""
    kept = np.zeros(left.size, dtype=np.bool_)
    for start in range(0, left.size, _PAIRS):
        part = slice(start, start + _PAIRS)
        i, j = left[part], right[part]
        distances = np.abs(values[i].astype(numbers) - values[j].astype(numbers)).mean(axis=1)
        kept[part] = distances <= np.minimum(limits[i], limits[j])
    return left[kept], right[kept]


def _bit_counts(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """The number of ones of each value."""
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.asarray(np.bitwise_count(values), dtype=np.uint8)
    bits = np.unpackbits(values[..., None].view(np.uint8), axis=-1)
    counts: NDArray[np.uint8] = bits.sum(axis=-1, dtype=np.uint8)
    return counts
