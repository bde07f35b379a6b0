"""Load files, PIL images and arrays as upright 8-bit RGB images.

Runs without torch. The size in the header is checked before any pixel is decoded.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.errors import ImageError
from instructsam.images.formats import (
    deep_colour,
    deep_grey,
    has_declared_maximum,
    open_header,
    try_header,
    without_text,
)
from instructsam.images.limits import BROKEN_PICTURE, check_size, damaged, too_large
from instructsam.images.orientation import QUARTER_TURNS, read_orientation, turn_upright
from instructsam.images.pixels import Meaning, on_white, samples_to_rgb
from instructsam.images.tiff import has_tifffile, needs_tifffile, pillow_values, read_with_tifffile
from instructsam.images.tiff_layout import TiffLayout, is_tiff, read_layout

_EXIF_KEYS = (
    "exif",
    "Raw profile type exif",
    "xmp",
    "XML:com.adobe.xmp",
)  # removed: orientation is applied
_T = TypeVar("_T")


@dataclass(frozen=True)
class LoadedImage:
    """An upright RGB image.

    Attributes:
        image: PIL image of mode RGB, EXIF orientation already applied; never the caller's own object.
        notes: conversions that the user should know of (first frame, transparency, rotation, range of values).
        path: of the file, as the caller gave it; None for an image in memory.
    """

    image: Image.Image
    notes: tuple[str, ...] = ()
    path: str | None = None


def load_image(source: str | os.PathLike[str] | Image.Image | NDArray[np.uint8]) -> LoadedImage:
    """Read an image from a file, a PIL image or a uint8 array [H, W, 3] (RGB) or [H, W] (grey).

    Grey, deep, palette, CMYK and transparent images become RGB (transparency on white; data of more than 8 bits by
    the range they use, see `images.pixels`); of an animation the first frame is used.

    Raises:
        ImageError: the source is missing, unreadable, not an image, damaged, not supported or larger than `MAX_PIXELS`.
    """
    if isinstance(source, Image.Image):
        return _load_object(source)
    if isinstance(source, np.ndarray):
        return _load_array(source)
    if isinstance(source, (str, os.PathLike)):
        return replace(_with_file(source, _load_stream), path=os.fsdecode(source))
    raise ImageError(
        f"an image must be a path, a PIL image or a uint8 array [H, W, 3], got {type(source).__name__}"
    )


def load_smaller(path: str | os.PathLike[str], size: tuple[int, int]) -> Image.Image:
    """The image of a file at a smaller (height, width), for training: a large JPEG is not decoded in full.

    Its decoder makes an image of 1/2, 1/4 or 1/8 of the size where that is at least `size`, which is then resized.

    Raises:
        ImageError: as `load_image`.
    """
    loaded = _with_file(path, lambda stream, name: _load_stream(stream, name, size))
    return at_size(loaded.image, size)


def at_size(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image resized to (height, width), antialiased; the image itself if it has that size."""
    return image if image.size == size[::-1] else image.resize(size[::-1], Image.Resampling.BILINEAR)


def load_bytes(content: bytes, name: str) -> LoadedImage:
    """Read an image from the content of a file; `name` is for messages.

    Raises:
        ImageError: as `load_image`.
    """
    return _load_stream(io.BytesIO(content), name)


def read_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(height, width) in px of the upright image, from its header.

    Raises:
        ImageError: as `load_image`; damaged pixels are not detected.
    """
    return _with_file(path, _size_of)


def read_stored_size(path: str | os.PathLike[str]) -> tuple[tuple[int, int], int]:
    """(width, height) in px as stored, and the EXIF orientation that turns the image upright, 1..8.

    Raises:
        ImageError: as `read_size`.
    """
    return _with_file(path, _header)


def read_size_of_bytes(content: bytes, name: str) -> tuple[int, int]:
    """As `read_size`, of the content of a file; `name` is for messages."""
    return _size_of(io.BytesIO(content), name)


def read_size_of_stream(stream: IO[bytes], name: str) -> tuple[int, int]:
    """As `read_size`, of an open file that can be read at any place; `name` is for messages."""
    try:
        return _size_of(stream, name)
    except BROKEN_PICTURE as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(damaged(name, error)) from error


def size_mismatch(path: str | os.PathLike[str], found: tuple[int, int], stated: tuple[int, int]) -> str:
    """The message for an image whose size differs from the one in its record.

    Args:
        path: the image; its header is read again to check whether EXIF orientation is the reason.
        found: (height, width) in px of the loaded image.
        stated: (height, width) in px of the record.
    """
    sizes = f"the record states {stated[1]} x {stated[0]} px, the image has {found[1]} x {found[0]}"
    message = f"{os.fspath(path)}: {sizes}"
    if found == stated[::-1] and os.path.isfile(path) and _with_file(path, _is_turned):
        return (
            f"{message} because its EXIF orientation rotates it: give the size and masks of the upright "
            "image, or remove the orientation from the file"
        )
    return f"{message}: correct the record, or get the image that it was made for"


def _is_turned(stream: IO[bytes], name: str) -> bool:
    return _header(stream, name)[1] in QUARTER_TURNS


def _size_of(stream: IO[bytes], name: str) -> tuple[int, int]:
    (width, height), orientation = _header(stream, name)
    return (width, height) if orientation in QUARTER_TURNS else (height, width)


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, int], int]:
    """(width, height) in px as stored, and the orientation, 1..8."""
    if is_tiff(stream.read(4)):
        layout = read_layout(stream, name)
        return layout.size, layout.orientation
    try:
        opened = open_header(stream, name)
    except ImageError:
        copies = without_text(stream)
        if not copies:
            raise
        opened = open_header(copies[-1], name)
    return opened.size, read_orientation(opened)


def _load_object(image: Image.Image) -> LoadedImage:
    stream = getattr(image, "fp", None) if image.format in ("PNG", "PPM", "TIFF") else None
    if stream is None or stream.closed or not getattr(image, "tile", None) or image.tell():
        return _decode(lambda: _load_pillow(image, "image"), "image", image.size)
    # Not decoded yet: formats that Pillow decodes wrongly are read from the file.
    place = stream.tell()
    try:
        stream.seek(0)
        return _load_stream(stream, "image")
    finally:
        stream.seek(place)


def _load_array(array: NDArray[Any]) -> LoadedImage:
    grey_or_rgb = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not grey_or_rgb:
        raise ImageError(
            f"an image array must be uint8 [H, W, 3] or [H, W], got {array.dtype} {list(array.shape)}: "
            "convert it first"
        )
    check_size((array.shape[1], array.shape[0]), "image array")
    return LoadedImage(Image.fromarray(np.ascontiguousarray(array)).convert("RGB"))


def _with_file(source: str | os.PathLike[str], use: Callable[[IO[bytes], str], _T]) -> _T:
    name = os.fspath(source)
    try:
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{name}: this is a folder, an image file was expected")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{name}: this is not a regular file, an image file was expected")
        if status.st_size == 0:
            raise ImageError(f"{name}: the file is empty (0 bytes), an image was expected")
        with open(name, "rb") as stream:
            return use(stream, name)
    except FileNotFoundError as error:
        raise ImageError(f"{name or '(empty path)'}: there is no such file") from error
    except PermissionError as error:
        raise ImageError(f"{name}: no permission to read this file") from error
    except OSError as error:
        raise ImageError(f"{name}: the file cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{name!r}: this is not a valid path ({error})") from error


def _load_stream(stream: IO[bytes], name: str, at_least: tuple[int, int] | None = None) -> LoadedImage:
    if is_tiff(stream.read(4)):
        layout = read_layout(stream, name)
        return _decode(lambda: _load_tiff(stream, layout, name), name, layout.size)
    try:
        return _open_and_load(stream, name, at_least)
    except ImageError:
        for copy in without_text(stream):  # Pillow refuses a PNG whose text chunks are too large
            try:
                return _open_and_load(copy, name)
            except ImageError:
                continue
        raise


def _open_and_load(stream: IO[bytes], name: str, at_least: tuple[int, int] | None = None) -> LoadedImage:
    opened = open_header(stream, name)
    if at_least is not None and opened.format in ("JPEG", "MPO"):
        turned = read_orientation(opened) in QUARTER_TURNS
        opened.draft(None, at_least if turned else at_least[::-1])
    return _decode(lambda: _load_pillow(opened, name, stream), name, opened.size)


def _decode(load: Callable[[], LoadedImage], name: str, size: tuple[int, int]) -> LoadedImage:
    check_size(size, name)
    try:
        return load()
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(too_large(name)) from error
    except MemoryError as error:
        raise ImageError(
            f"{name}: there is not enough memory for {size[0]} x {size[1]} pixels: make it smaller"
        ) from error
    except BROKEN_PICTURE as error:
        raise ImageError(damaged(name, error)) from error


def _load_tiff(stream: IO[bytes], layout: TiffLayout, name: str) -> LoadedImage:
    opened = try_header(stream, name) if layout.for_pillow else None
    if opened is not None:
        return _load_pillow(opened, name, stream, layout)
    if layout.high_byte_for_pillow and not has_tifffile():
        loaded = _load_pillow(open_header(stream, name), name, stream, layout)
        if np.asarray(loaded.image).max() < 128:
            raise ImageError(needs_tifffile(layout, name))
        return loaded
    notes: list[str] = []
    image = read_with_tifffile(stream, layout, name, notes)
    return LoadedImage(turn_upright(image, layout.orientation, False, notes), tuple(notes))


def _load_pillow(
    opened: Image.Image, name: str, stream: IO[bytes] | None = None, layout: TiffLayout | None = None
) -> LoadedImage:
    notes: list[str] = []
    if opened.format == "EPS" and getattr(opened, "tile", None):
        raise ImageError(f"{name}: EPS would start Ghostscript and is not read: save the image as PNG")
    # The further images of an MPO photo are previews and gain maps, not frames.
    if opened.format != "MPO" and getattr(opened, "is_animated", False):
        place = "first" if opened.tell() == 0 else "current"
        notes.append(f"several frames: only the {place} one is used")
    if layout is not None and layout.pillow_note:
        notes.append(layout.pillow_note)
    turned_by_pillow = opened.format == "TIFF"  # while loading, so the tag must be read before
    orientation = read_orientation(opened, notes) if turned_by_pillow else 1
    image = _as_rgb(opened, name, stream, layout, notes)
    orientation = orientation if turned_by_pillow else read_orientation(opened, notes)
    for key in _EXIF_KEYS:
        image.info.pop(key, None)
    return LoadedImage(turn_upright(image, orientation, turned_by_pillow, notes), tuple(notes))


def _as_rgb(
    opened: Image.Image, name: str, stream: IO[bytes] | None, layout: TiffLayout | None, notes: list[str]
) -> Image.Image:
    colour = deep_colour(opened, stream, name) if stream is not None else None
    if colour is not None:
        bands = colour.shape[2]
        alpha = bands - 1 if bands in (2, 4) else None
        meaning = Meaning(colour=bands > 2, alpha=alpha, transparent=_transparent(opened))
        return samples_to_rgb(colour, meaning, name, notes)
    meaning = Meaning(transparent=_transparent(opened), full_range=has_declared_maximum(opened))
    opened.load()
    values = deep_grey(opened) if layout is None else pillow_values(opened, layout)
    if values is None:
        return _to_rgb(opened, notes, is_own=stream is not None)
    return samples_to_rgb(values, meaning if layout is None else layout.meaning, name, notes)


def _transparent(image: Image.Image) -> tuple[int, ...] | None:
    key = image.info.get("transparency")
    if isinstance(key, int):
        return (key,)
    return tuple(key) if isinstance(key, tuple) else None


def _to_rgb(image: Image.Image, notes: list[str], is_own: bool) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        alpha = rgba.getchannel("A")
        return on_white(rgba.convert("RGB"), alpha, notes)
    if image.mode == "RGB":
        return image if is_own and image.format == "JPEG" else image.copy()
    return image.convert("RGB")
