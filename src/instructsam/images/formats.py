"""Which reader opens a file: an allow-list of formats, chosen by the first bytes and never by the name.

`Image.open(formats=FORMATS)` has the same allow-list, but warns about every image above 89 megapixels, which only
global warning filters can silence (not safe with threads), and it discards size and cause of a refusal. Hence the loop
over Pillow's registry.
"""

from __future__ import annotations

import io
import struct
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import (  # the last four register their formats when imported
    AvifImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from instructsam.errors import ImageError
from instructsam.images.limits import BROKEN_PICTURE, check_size, damaged, too_large
from instructsam.structures.model_files import stand_in

FORMATS = (
    "PNG",
    "JPEG",
    "GIF",
    "BMP",
    "PPM",
    TiffImagePlugin.TiffImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    AvifImagePlugin.AvifImageFile.format,
    Jpeg2KImagePlugin.Jpeg2KImageFile.format,
    "DIB",
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_PNG_TEXT = {b"tEXt", b"zTXt", b"iTXt", b"iCCP"}  # nothing in them changes a pixel
_PNG_EXIF = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")  # but these two may turn the picture
_SMALL_CHUNK = 65_536


def open_header(stream: IO[bytes], name: str) -> ImageFile.ImageFile:
    """Open a picture without decoding its pixels.

    Raises:
        ImageError: no known format, a damaged header, an optional reader that is missing, or too many pixels.
    """
    Image.preinit()
    stream.seek(0)
    prefix = stream.read(512)
    if is_heif(prefix):
        return _open_heif(stream, name)
    broken: Exception | None = None
    for key in FORMATS:
        factory, accepts = Image.OPEN[key]
        try:
            verdict = accepts(prefix[:16]) if accepts else True
        except struct.error:  # Pillow's test for a DIB needs four bytes
            verdict = False
        if isinstance(verdict, str):
            raise ImageError(f"{name}: {verdict}")
        if not verdict:
            continue
        stream.seek(0)
        try:
            # Without a name: Pillow would map the file into memory, and turns a mapped TIFF twice.
            opened: ImageFile.ImageFile = factory(stream, "")
        except Image.DecompressionBombError as error:
            raise ImageError(too_large(name)) from error
        except BROKEN_PICTURE as error:
            broken = error
            continue
        check_size(opened.size, name)
        return opened
    if broken is not None:
        raise ImageError(damaged(name, broken)) from broken
    if found := stand_in(prefix):
        raise ImageError(f"{name}: this {found}")
    known = ", ".join(sorted([*FORMATS, "HEIF"]))
    raise ImageError(f"{name}: this is not an image that can be read (known formats: {known})")


def try_header(stream: IO[bytes], name: str) -> ImageFile.ImageFile | None:
    """As `open_header`; None of a TIFF in a layout that Pillow does not know."""
    try:
        return open_header(stream, name)
    except ImageError as error:
        if isinstance(error.__cause__, SyntaxError | LookupError):
            return None
        raise


def is_heif(prefix: bytes) -> bool:
    """Whether the file begins as HEIF (HEIC); AVIF, which looks alike, has a reader of its own."""
    if prefix[4:8] != b"ftyp" or prefix[8:12] not in _HEIF_BRANDS:
        return False
    length = min(max(int.from_bytes(prefix[:4], "big"), 16), len(prefix))
    return b"avif" not in prefix[16:length]


def _open_heif(stream: IO[bytes], name: str) -> ImageFile.ImageFile:
    try:
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError as error:
        raise ImageError(
            f"{name}: HEIC pictures need an optional reader: pip install 'instructsam[heif]', or save the picture as "
            "JPEG"
        ) from error
    stream.seek(0)
    try:
        opened: ImageFile.ImageFile = HeifImageFile(stream, name)
    except BROKEN_PICTURE as error:
        raise ImageError(damaged(name, error)) from error
    check_size(opened.size, name)
    return opened


def without_text(stream: IO[bytes]) -> list[IO[bytes]]:
    """Copies of a PNG without its text and colour profile, which Pillow bounds; empty for any other file.

    The first keeps small chunks that may hold the EXIF orientation, the second does not.
    """
    return [copy for keep in (_PNG_EXIF, ()) if (copy := _png_without_text(stream, keep)) is not None]


def _png_without_text(stream: IO[bytes], keep: tuple[bytes, ...]) -> IO[bytes] | None:
    stream.seek(0)
    if stream.read(8) != _PNG_HEAD:
        return None
    parts, dropped = [_PNG_HEAD], False
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in _PNG_TEXT:
            start = stream.read(min(length, 32))
            if not keep or length > _SMALL_CHUNK or not start.startswith(keep):
                stream.seek(length - len(start) + 4, io.SEEK_CUR)
                dropped = True
                continue
            stream.seek(-len(start), io.SEEK_CUR)
        parts += [head, stream.read(length + 4)]
    return io.BytesIO(b"".join(parts)) if dropped else None


def deep_colour(image: Image.Image, stream: IO[bytes], name: str) -> NDArray[np.uint16] | None:
    """The samples [H, W, C] of a colour PNG or PPM of 16 bits, of which Pillow keeps 8; None of any other picture.

    The image must not have been loaded. Pillow unpacks the high byte of each sample; with the other byte order it
    unpacks the low one.
    """
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return None
    tile: Any = image.tile[0]
    if image.format == "PNG" and tile.args == "LA;16B":  # four bytes a pixel, as RGBA has
        image.tile = [tile._replace(args="RGBA")]
        pairs = np.asarray(image)
        return _words(pairs[..., 0::2], pairs[..., 1::2])
    if image.format == "PNG" and tile.args in ("RGB;16B", "RGBA;16B"):
        high = np.asarray(image)
        again = open_header(stream, name)
        again.tile = [tile._replace(args=tile.args.replace("16B", "16L"))]
        return _words(high, np.asarray(again))
    if image.format == "PPM" and image.mode == "RGB" and tile.codec_name == "ppm" and tile.args[-1] > 255:
        stream.seek(tile.offset)
        count = image.width * image.height * 3
        data = stream.read(2 * count)
        if len(data) < 2 * count:
            raise OSError("image file is truncated")
        values = np.frombuffer(data, ">u2").reshape(image.height, image.width, 3).astype(np.uint16)
        most = tile.args[-1]
        return (
            values if most == 65535 else (np.minimum(values, most) * (65535 / most)).round().astype(np.uint16)
        )
    return None


def _words(high: NDArray[np.unsignedinteger], low: NDArray[np.unsignedinteger]) -> NDArray[np.uint16]:
    words = np.bitwise_or(
        np.left_shift(high.astype(np.uint16), np.uint16(8)), low.astype(np.uint16), dtype=np.uint16
    )
    return words


def has_declared_maximum(image: Image.Image) -> bool:
    """Whether a PGM that is not loaded yet states which value is white, to which Pillow then scales it."""
    tile: Any = image.tile[0] if isinstance(image, ImageFile.ImageFile) and image.tile else None
    return (
        image.format == "PPM" and tile is not None and isinstance(tile.args, tuple) and tile.args[-1] != 65535
    )


def deep_grey(image: Image.Image) -> NDArray[np.generic] | None:
    """The values [H, W, 1] of a loaded picture of one band of more than 8 bits; None of any other."""
    if not (image.mode.startswith("I") or image.mode == "F"):
        return None
    values = np.asarray(image)
    if image.format == "PPM" and image.mode == "I":
        values = values.astype(np.uint16)
    return values.astype(values.dtype.newbyteorder("="))[..., None]
