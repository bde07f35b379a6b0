"""Images of requests: bytes, base64 or a data URI. Every limit is checked before pixels are decoded."""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
from dataclasses import dataclass
from hashlib import sha256

from instructsam.errors import ImageError
from instructsam.images.loader import LoadedImage, load_bytes, read_size_of_stream
from instructsam.serving.errors import RequestError, TooLargeError
from instructsam.serving.memory import reserve
from instructsam.serving.settings import Limits
from instructsam.structures.byte_cache import ByteCache

_LONGEST_PREFIX = 200  # characters of "data:image/png;base64"
# Images decoded lately, by the hash of their file: several requests about one image are the rule in labelling.
_DECODED: ByteCache[str, LoadedImage] = ByteCache(64 * 2**20)
_PIXEL_BYTES = 4  # Pillow keeps RGB in four bytes
_SPACE = str.maketrans("", "", " \t\r\n")


@dataclass(frozen=True)
class Picture:
    """An image of a request.

    Attributes:
        image: upright RGB.
        key: hash of the file's content, for `ImageJob.key`.
    """

    image: LoadedImage
    key: str

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) px."""
        return self.image.image.height, self.image.image.width


async def read_picture(content: bytes, limits: Limits, name: str = "image") -> Picture:
    """The image in the content of a file, decoded in a thread.

    Args:
        content: of the file.
        limits: of the request.
        name: for messages.

    Raises:
        TooLargeError: more pixels than the limit, according to the file's header.
        ImageError: the content is not an image that can be read.
        BusyError: all requests together hold too many images.
    """
    return await asyncio.to_thread(_read, content, limits, name)


async def read_picture_text(text: str, limits: Limits, name: str = "image") -> Picture:
    """The image in base64 text or a data URI.

    Raises:
        RequestError: the text is neither.
        TooLargeError, ImageError: as `read_picture`.
    """
    return await asyncio.to_thread(lambda: _read(decode_base64(text, name), limits, name))


def decode_base64(text: str, name: str = "image") -> bytes:
    """The bytes of base64 text, with or without `data:TYPE;base64,` in front; white space is ignored.

    Raises:
        RequestError: the text is not base64.
    """
    if text[:5].lower() == "data:":
        head, comma, _ = text[:_LONGEST_PREFIX].partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise RequestError(
                f"{name} must be base64 or a data URI such as data:image/png;base64,..., got another data URI"
            )
        text = text[len(head) + 1 :]
    try:
        content = base64.b64decode(text.translate(_SPACE), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(
            f"{name} must be the content of an image file in base64, or a data URI; it is not valid base64 ({error})"
        ) from error
    if not content:
        raise RequestError(f"{name} is empty, the content of an image file was expected")
    return content


def _read(content: bytes, limits: Limits, name: str) -> Picture:
    if not content:
        raise RequestError(f"{name} is empty, the content of an image file was expected")
    height, width = read_size_of_stream(io.BytesIO(content), name)
    check_pixels((height, width), limits, name)
    key = sha256(content).hexdigest()
    known = _DECODED.get(key)
    if known is not None:
        return Picture(known, key)
    size = _PIXEL_BYTES * height * width
    reserve(size)
    try:
        loaded = load_bytes(content, name)
    except RecursionError as error:
        raise ImageError(f"{name}: the image is damaged ({error})") from error
    _DECODED.keep(key, loaded, size)
    return Picture(loaded, key)


def check_pixels(size: tuple[int, int], limits: Limits, name: str) -> None:
    """Refuse a (height, width) above the limit.

    Raises:
        TooLargeError: it is above.
    """
    height, width = size
    if height * width > limits.max_pixels:
        raise TooLargeError(
            f"{name} must have at most {limits.max_pixels / 1e6:g} megapixels, got {width} x {height} px: "
            "make it smaller"
        )
