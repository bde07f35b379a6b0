"""Run lengths of COCO's run-length encoding, from a list or compressed text; all values are checked. Numpy only.

Runs are counted column by column and start with a run of zeros. In text each is the difference to the one before the
last, in 5-bit groups. pycocotools decodes such text too, but writes outside its memory where the runs are damaged.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.structures.checks import describe

MAX_PIXELS = 178_956_970
"""Largest accepted height x width of a mask or image: the limit above which Pillow refuses."""

_BITS = 5  # of a group
_OFFSET = 48  # "0", the first character of COCO's alphabet
_MORE = 32  # marks a group that is not the last of its run
_MAX_GROUPS = 6  # enough for the difference of two runs; pycocotools overflows above
_EXTRA = 64  # runs without a pixel that text may hold beyond one character per pixel
_BLOCK = 1 << 20  # characters that are parsed at once


def checked_runs(rle: Mapping[str, Any]) -> tuple[int, int, NDArray[np.int64]]:
    """Height, width and the runs, which are not negative and fill the mask exactly.

    Raises:
        InputError: fields are missing or of a wrong type, the mask is too large, or the runs do not fill it.
    """
    try:
        size, counts = rle["size"], rle["counts"]
    except (KeyError, TypeError, IndexError) as error:
        raise InputError("RLE must be {'size': [height, width], 'counts': text}") from error
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(map(_is_whole, size)):
        raise InputError(
            f"RLE must be {{'size': [height, width], 'counts': text}}, got the size {describe(size)}"
        )
    height, width = (int(side) for side in size)
    check_mask_size(height, width, "RLE size")
    pixels = height * width
    if isinstance(counts, list):
        runs = _listed_runs(counts, pixels)
    elif isinstance(counts, str | bytes):
        runs = _text_to_runs(counts, pixels)
    else:
        raise InputError(f"RLE counts must be text or a list of runs, got {type(counts).__name__}")
    fill = f"RLE runs must fill {height} x {width} = {pixels} pixels"
    if runs.size and (runs.min() < 0 or runs.max() > pixels):
        odd = runs.min() if runs.min() < 0 else runs.max()
        raise InputError(f"{fill}, got a run of {odd}")
    total = int(runs.sum())  # exact: there are far fewer than 2**63 / MAX_PIXELS runs, each at most `pixels`
    if total != pixels:
        raise InputError(f"{fill}, got {total}")
    return height, width, runs


def check_mask_size(height: int, width: int, name: str) -> None:
    """Refuse a size that is negative or has more than `MAX_PIXELS` pixels.

    Raises:
        InputError: the message starts with `name`.
    """
    if height < 0 or width < 0:
        raise InputError(f"{name} must not be negative, got {describe([height, width])}")
    if height * width > MAX_PIXELS:
        raise InputError(f"{name} must have at most {MAX_PIXELS} pixels, got {describe([height, width])}")


def _is_whole(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _listed_runs(counts: list[Any], pixels: int) -> NDArray[np.int64]:
    for number, count in enumerate(counts):
        if not _is_whole(count):
            raise InputError(f"RLE counts[{number}] must be a whole number, got {describe(count)}")
        if not -pixels <= count <= 2 * pixels:  # also keeps it within 64 bits
            raise InputError(f"RLE runs must fill {pixels} pixels, got a run of {describe(count)}")
    return np.array(counts, dtype=np.int64)


def _text_to_runs(counts: str | bytes, pixels: int) -> NDArray[np.int64]:
    """The runs of compressed text; each is in range for a mask of `pixels` or the text is refused."""
    if len(counts) > pixels + _EXTRA:  # a run of n pixels takes at most n characters
        raise InputError(f"RLE counts must fill {pixels} pixels, got text of {len(counts)} characters")
    try:
        text = counts.encode("ascii") if isinstance(counts, str) else counts
    except UnicodeEncodeError as error:
        raise InputError("RLE counts hold a character outside COCO's alphabet ('0' to 'o')") from error
    codes = np.frombuffer(text, dtype=np.uint8) - np.uint8(_OFFSET)  # smaller ones wrap around
    if codes.size == 0:
        return np.zeros(0, dtype=np.int64)
    if codes.max() >= 2 * _MORE:
        raise InputError("RLE counts hold a character outside COCO's alphabet ('0' to 'o')")
    if codes[-1] >= _MORE:
        raise InputError("RLE counts end in the middle of a run; the text was cut")
    runs = np.empty(int(np.count_nonzero(codes < _MORE)), dtype=np.int64)
    start = done = 0
    while (
        start < codes.size
    ):  # in blocks of whole runs: a few arrays of the size of the text would be too large
        block = codes[start : start + _BLOCK]
        if start + _BLOCK < codes.size:
            block = block[: _BLOCK - int((block[::-1] < _MORE).argmax())]
        values = _differences(block, pixels)
        runs[done : done + values.size] = values
        start, done = start + block.size, done + values.size
    np.cumsum(runs[1::2], out=runs[1::2])
    np.cumsum(runs[2::2], out=runs[2::2])
    return runs


def _differences(codes: NDArray[np.uint8], pixels: int) -> NDArray[np.int64]:
    """The numbers of a block of whole runs."""
    ends = np.flatnonzero(codes < _MORE)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if ends.size == 0 or lengths.max() > _MAX_GROUPS:
        raise InputError("RLE counts hold a run that is too long for 30 bits")
    position = np.arange(codes.size) - np.repeat(starts, lengths)
    groups = (codes & (_MORE - 1)).astype(np.int64) << (_BITS * position)
    values: NDArray[np.int64] = np.add.reduceat(groups, starts)
    negative = (codes[ends] & (_MORE >> 1)).astype(np.bool_)
    values[negative] -= np.int64(1) << (_BITS * lengths[negative])
    if np.abs(values).max() > pixels:  # then no sum leaves 64 bits
        odd = values[np.abs(values).argmax()]
        raise InputError(f"RLE runs must fill {pixels} pixels, got a difference of {odd} between two runs")
    return values
