"""The layout of a TIFF, from the tags of its first image."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import IO

from PIL import TiffImagePlugin

from instructsam.errors import ImageError
from instructsam.images.limits import MAX_BYTES, check_size, damaged
from instructsam.images.pixels import Meaning, bands_note

MIN_IS_WHITE, MIN_IS_BLACK, RGB, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
PHOTOMETRIC = {
    4: "a transparency mask",
    9: "ICC Lab",
    10: "ITU Lab",
    32803: "a raw sensor mosaic",
    34892: "raw sensor data",
}
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
_SAMPLE_FORMATS = {
    UNSIGNED: "integers",
    SIGNED: "signed integers",
    FLOAT: "floats",
    5: "complex",
    6: "complex",
}
_READABLE_BITS = {UNSIGNED: (1, 2, 4, 8, 12, 16, 32), SIGNED: (8, 16, 32), FLOAT: (32,)}
_ONE_VALUE = {3: "H", 4: "I", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q"}  # types of numbers
_SIZES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8,
}  # fmt: skip
_MOST_ENTRIES, _MOST_VALUES = 4096, 4096
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTO = 256, 257, 258, 259, 262
_ORIENTATION, _SAMPLES, _PLANAR = 274, 277, 284
_EXTRA, _FORMAT, _DEPTH, _NODATA = 338, 339, 32997, 42113
_WANTED = {
    _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTO, _ORIENTATION, _SAMPLES, _PLANAR, _EXTRA, _FORMAT, _DEPTH, _NODATA,
}  # fmt: skip


@dataclass(frozen=True)
class TiffLayout:
    """The layout of the first image of a TIFF.

    Attributes:
        size: (width, height) in px, as stored.
        bits: of each sample.
        sample_format: 1 unsigned, 2 signed, 3 float, others complex or unknown.
        samples: bands.
        planar: the bands are stored one after another.
        photometric: interpretation of the samples; 0 and 1 grey, 2 RGB, 3 palette, ...
        compression: tag 259.
        orientation: tag 274, 1..8.
        extra: meanings of the bands beyond grey or colour; 1 and 2 opacity.
        nodata: GDAL's value for pixels without data.
        volume: it has depth.
        big_endian: byte order of the file.
    """

    size: tuple[int, int]
    bits: int
    sample_format: int
    samples: int
    planar: bool
    photometric: int
    compression: int
    orientation: int
    extra: tuple[int, ...]
    nodata: float | None
    volume: bool
    big_endian: bool

    @property
    def for_pillow(self) -> bool:
        """Whether Pillow reads this layout correctly."""
        if self.volume or self.compression not in TiffImagePlugin.COMPRESSION_INFO:
            return False
        if self.samples == 1:
            if self.photometric not in (MIN_IS_WHITE, MIN_IS_BLACK):
                return self.photometric in (_PALETTE, _YCBCR) and self.bits <= 8
            return self.bits in _READABLE_BITS.get(self.sample_format, ()) and not self._swapped_wrong
        if self.bits == 16 and self.photometric == _CMYK:
            return self.samples == 4 and self.sample_format == UNSIGNED and not self.planar
        if self.bits != 8 or self.sample_format != UNSIGNED:
            return False
        if self.planar:
            return self.photometric == RGB and self.samples == 3
        most = {MIN_IS_BLACK: 2, RGB: 6, _PALETTE: 2, _CMYK: 6, _YCBCR: 3, _LAB: 3}
        return self.samples <= most.get(self.photometric, 0)

    @property
    def high_byte_for_pillow(self) -> bool:
        """Whether Pillow reads the high byte of these 16-bit colours, which is enough where they use all bits."""
        known = self.compression in TiffImagePlugin.COMPRESSION_INFO and not self.planar and not self.volume
        return known and self.photometric == RGB and (self.bits, self.sample_format) == (16, UNSIGNED)

    @property
    def _swapped_wrong(self) -> bool:
        """Whether Pillow would mix up the bytes of the samples (measured against tifffile on 11,000 files)."""
        if self.compression == 1:
            return False
        return self.bits == 12 or (
            self.big_endian and self.bits > 8 and (self.bits, self.sample_format) != (16, 1)
        )

    @property
    def meaning(self) -> Meaning:
        """The interpretation of the samples."""
        colours = 3 if self.photometric == RGB else 1
        opacity = [colours + place for place, kind in enumerate(self.extra) if kind in (1, 2)]
        alpha = next((band for band in opacity if band < self.samples), None)
        return Meaning(
            colour=self.photometric == RGB and self.samples >= 3,
            alpha=alpha,
            premultiplied=alpha is not None and self.extra[alpha - colours] == 1,
            inverted=self.photometric == MIN_IS_WHITE,
            nodata=self.nodata,
            full_range=self.bits == 12,
        )

    @property
    def pillow_note(self) -> str | None:
        """The note on 8-bit bands that Pillow ignores."""
        colours = {MIN_IS_BLACK: 1, RGB: 3}.get(self.photometric, self.samples)
        bands = self.samples - (self.meaning.alpha is not None)
        return bands_note(bands, colour=colours > 1) if bands > colours else None

    def __str__(self) -> str:
        form = _SAMPLE_FORMATS.get(self.sample_format, "samples of an unknown type")
        bands = "1 band" if self.samples == 1 else f"{self.samples} bands"
        planes = ", band by band" if self.planar and self.samples > 1 else ""
        packed = "" if self.compression == 1 else f", compression {self.compression}"
        return f"{bands} of {self.bits}-bit {form}{planes}{packed}"


def is_tiff(prefix: bytes) -> bool:
    """Whether a file begins as TIFF or BigTIFF."""
    return prefix[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_layout(stream: IO[bytes], name: str) -> TiffLayout:
    """The layout of the first image; at most a few hundred bytes are read.

    Raises:
        ImageError: the header is damaged or outside the limits.
    """
    try:
        big_endian, tags = read_tags(stream, _WANTED)
        size = (int(tags[_WIDTH][0]), int(tags[_HEIGHT][0]))
        bits = [int(value) for value in tags.get(_BITS, (1,))]
        formats = {int(value) for value in tags.get(_FORMAT, (1,))}
        photometric = int(tags[_PHOTO][0]) if _PHOTO in tags else MIN_IS_WHITE
        layout = TiffLayout(
            size=size,
            bits=bits[0] if len(set(bits)) == 1 else 0,
            sample_format=formats.pop() if len(formats) == 1 else 0,
            samples=int(tags.get(_SAMPLES, (1,))[0]),
            planar=tags.get(_PLANAR, (1,))[0] == 2,
            photometric=photometric,
            compression=int(tags.get(_COMPRESSION, (1,))[0]),
            orientation=int(tags.get(_ORIENTATION, (1,))[0]),
            extra=tuple(int(value) for value in tags.get(_EXTRA, ())),
            nodata=_number(tags.get(_NODATA)),
            volume=tags.get(_DEPTH, (1,))[0] != 1,
            big_endian=big_endian,
        )
    except (struct.error, LookupError, ValueError, OverflowError, OSError) as error:
        raise ImageError(damaged(name, error)) from error
    check_size(layout.size, name)
    if layout.samples < 1:
        raise ImageError(f"{name}: the image is damaged or truncated (it has no bands)")
    size_in_bytes = size[0] * size[1] * layout.samples * max(layout.bits, 8) // 8
    if size_in_bytes > MAX_BYTES:
        raise ImageError(
            f"{name}: {size[0]} x {size[1]} pixels with {layout} take {size_in_bytes / 1e9:.1f} GB, at most "
            f"{MAX_BYTES / 1e9:.1f} GB are accepted: save the bands that matter"
        )
    return layout


def read_tags(
    stream: IO[bytes], wanted: Collection[int]
) -> tuple[bool, dict[int, tuple[float, ...] | bytes]]:
    """Whether the file is big-endian, and the wanted tags of its first directory: numbers, and texts as bytes.

    Raises:
        ValueError: the header or a tag is cut off.
    """
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    stream.seek(start)
    (count,) = struct.unpack(order + ("Q" if big else "H"), stream.read(8 if big else 2))
    length, inline = (20, 8) if big else (12, 4)
    entries = stream.read(length * min(count, _MOST_ENTRIES))
    found: dict[int, tuple[float, ...] | bytes] = {}
    for at in range(0, len(entries) - length + 1, length):
        tag, kind = struct.unpack_from(order + "HH", entries, at)
        if tag not in wanted or kind not in _SIZES:
            continue
        (values,) = struct.unpack_from(order + ("Q" if big else "I"), entries, at + 4)
        values = min(values, _MOST_VALUES)
        size, place = _SIZES[kind] * values, at + length - inline
        data = entries[place : place + size]
        if size > inline:
            stream.seek(struct.unpack_from(order + ("Q" if big else "I"), entries, place)[0])
            data = stream.read(size)
        if kind == 2:
            found[tag] = data
        elif kind == 1:
            found[tag] = tuple(data)
        elif kind in _ONE_VALUE:
            found[tag] = struct.unpack(f"{order}{values}{_ONE_VALUE[kind]}", data)
    return order == ">", found


def _number(text: tuple[float, ...] | bytes | None) -> float | None:
    if not isinstance(text, bytes):
        return None
    try:
        return float(text.split(b"\0")[0].decode("ascii"))
    except ValueError:
        return None
