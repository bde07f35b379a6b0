"""Label Studio's run-length code of brush masks.

Label Studio keeps a mask as the RGBA bytes of a picture, row by row. The code is a stream of bits: 32 for the number of
bytes, 5 for the size of a value less one, 4 x 4 for four widths less one; then blocks. A block is one bit (is its value
repeated?), 2 bits that choose a width, its length less one in this width, and one value, or as many as its length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError

_CHANNELS = 4
_VALUE_BITS = 8
_WIDTHS = (3, 4, 8, 16)  # bits of a length less one
_LONGEST = 1 << _WIDTHS[-1]
_OPAQUE = 128  # least alpha of a pixel inside; the edge of a stroke is smoothed
_AT_ONCE = 1 << 16  # blocks


def encode_brush(mask: NDArray[np.bool_]) -> list[int]:
    """The bytes of the code of a mask, bool [H, W]."""
    pixels = mask.ravel()
    ends = np.append(np.flatnonzero(pixels[1:] != pixels[:-1]) + 1, pixels.size)
    lengths = np.diff(ends, prepend=0) * _CHANNELS
    values = pixels[ends - 1] * 255
    pieces = -(-lengths // _LONGEST)
    lasts = np.cumsum(pieces) - 1
    sizes = np.full(int(pieces.sum()), _LONGEST, dtype=np.int64)
    sizes[lasts] = lengths - (pieces - 1) * _LONGEST
    header = [(pixels.size * _CHANNELS, 32), (_VALUE_BITS - 1, 5), *((width - 1, 4) for width in _WIDTHS)]
    words, bits = (np.array(part, dtype=np.int64) for part in zip(*header, strict=True))
    stream = [_to_bits(words, bits), *_blocks(sizes, np.repeat(values, pieces).astype(np.int64))]
    joined = np.concatenate(stream)
    padding = np.zeros(8 - joined.size % 8, dtype=np.uint8)  # Label Studio adds a byte to a full one, too
    found: list[int] = np.packbits(np.concatenate([joined, padding])).tolist()
    return found


def decode_brush(code: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of a code: bool [H, W].

    Args:
        code: bytes.
        size: (height, width) px that the mask must have.

    Raises:
        InputError: the code is damaged or of another size.
    """
    try:
        data = np.frombuffer(bytes(code), dtype=np.uint8)
    except (TypeError, ValueError) as error:
        raise InputError(f"a brush mask must be a list of bytes ({error})") from error
    stream = _Bits(np.unpackbits(data))
    count, expected = stream.read(32), size[0] * size[1] * _CHANNELS
    if count != expected:
        raise InputError(f"a brush mask of {size[0]} x {size[1]} px must hold {expected} bytes, got {count}")
    if (value_bits := stream.read(5) + 1) != _VALUE_BITS:
        raise InputError(f"a brush mask must hold values of {_VALUE_BITS} bits, got {value_bits}")
    widths = [stream.read(4) + 1 for _ in _WIDTHS]
    found = np.zeros(count, dtype=np.uint8)
    start = 0
    while start < count:
        repeated = stream.read(1)
        length = stream.read(widths[stream.read(2)]) + 1
        if start + length > count:
            raise InputError(f"a brush mask must hold {count} bytes, got at least {start + length}")
        found[start : start + length] = stream.read(_VALUE_BITS) if repeated else stream.values(length)
        start += length
    return np.asarray(found[_CHANNELS - 1 :: _CHANNELS] >= _OPAQUE).reshape(size)


def _blocks(lengths: NDArray[np.int64], values: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    """The bits of repeated values."""
    found = []
    for start in range(0, len(lengths), _AT_ONCE):
        less_one, value = lengths[start : start + _AT_ONCE] - 1, values[start : start + _AT_ONCE]
        choice = np.searchsorted([1 << width for width in _WIDTHS], less_one, side="right")
        width = np.array(_WIDTHS)[choice]
        head = (np.int64(4) | choice) << (width + _VALUE_BITS)
        found.append(_to_bits(head | (less_one << _VALUE_BITS) | value, 3 + width + _VALUE_BITS))
    return found


def _to_bits(words: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The lowest `counts` bits of each word (at most 32), the highest first."""
    bits = np.unpackbits(words.astype(">u4").view(np.uint8).reshape(-1, 4), axis=1)
    return bits[np.arange(32) >= 32 - counts[:, None]]


class _Bits:
    """Reads a stream of bits."""

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self._bits = bits
        self._at = 0

    def read(self, count: int) -> int:
        """A number of this many bits."""
        found = 0
        for byte in np.packbits(self._next(count)).tolist():
            found = found << 8 | byte
        return found >> (-count % 8)

    def values(self, count: int) -> NDArray[np.uint8]:
        """So many values of 8 bits."""
        return np.packbits(self._next(count * _VALUE_BITS))

    def _next(self, count: int) -> NDArray[np.uint8]:
        bits = self._bits[self._at : self._at + count]
        if bits.size < count:
            raise InputError("a brush mask ends in the middle of a block; it was cut")
        self._at += count
        return bits
