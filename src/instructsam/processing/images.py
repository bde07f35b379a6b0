"""The one image loader: what a user hands in becomes an upright 8-bit RGB picture, or one clear `ImageError`.

Pillow decodes; nothing here needs torch. The size in the header is judged before a pixel is decoded.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import (  # the last four register their formats when imported
    AvifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    Jpeg2KImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from instructsam.errors import ImageError

MAX_PIXELS = 178_956_970
"""Largest accepted width x height: the point at which Pillow refuses by itself."""

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".mpo", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".jp2"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)
"""File names that count as pictures when a folder is expanded (lower case)."""

_FORMATS = (
    "PNG",
    "JPEG",
    "GIF",
    "BMP",
    "PPM",
    TiffImagePlugin.TiffImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    AvifImagePlugin.AvifImageFile.format,
    Jpeg2KImagePlugin.Jpeg2KImageFile.format,
)
_BROKEN_PICTURE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    OverflowError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files."""


@dataclass(frozen=True)
class LoadedImage:
    """An upright RGB picture.

    Attributes:
        image: PIL image of mode RGB, EXIF orientation already applied; never the caller's own object.
        notes: what was done that the user should know (first frame, transparency, damaged EXIF).
    """

    image: Image.Image
    notes: tuple[str, ...] = ()


def load_image(source: str | os.PathLike[str] | Image.Image | NDArray[np.uint8]) -> LoadedImage:
    """Read a picture from a file, a PIL image or a uint8 array [H, W, 3] (RGB) or [H, W] (grey).

    Grey, 16-bit, palette, CMYK and transparent pictures become RGB (transparency on white); of an animation
    the first frame is taken.

    Raises:
        ImageError: the source is missing, unreadable, no picture, damaged or larger than `MAX_PIXELS`.
    """
    if isinstance(source, Image.Image):
        return _load_pillow(source, "image")
    if isinstance(source, np.ndarray):
        return _load_array(source)
    if isinstance(source, (str, os.PathLike)):
        return _load_file(source)
    raise ImageError(
        f"an image must be a path, a PIL image or a uint8 array [H, W, 3], got {type(source).__name__}"
    )


def iter_image_paths(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Files in the order given, each once; a folder stands for the pictures directly inside it, by name.

    Hidden files in folders are skipped. Paths that do not exist are kept: `load_image` says what is wrong.

    Raises:
        ImageError: a folder cannot be listed or holds no picture.
    """
    found: dict[str, Path] = {}
    for given in map(Path, paths):
        for path in _pictures_in(given) if os.path.isdir(given) else [given]:
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _pictures_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ImageError(f"{folder}: the folder cannot be listed ({error.strerror})") from error
    visible = (path for path in entries if not path.name.startswith("."))
    pictures = [path for path in visible if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    if not pictures:
        suffixes = " ".join(sorted(IMAGE_SUFFIXES))
        raise ImageError(f"{folder}: the folder holds no picture (looked for {suffixes})")
    return pictures


def _load_array(array: NDArray[Any]) -> LoadedImage:
    grey_or_rgb = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not grey_or_rgb:
        raise ImageError(
            f"an image array must be uint8 [H, W, 3] or [H, W], got {array.dtype} {list(array.shape)}: "
            "convert it first"
        )
    _check_size((array.shape[1], array.shape[0]), "image array")
    return LoadedImage(Image.fromarray(np.ascontiguousarray(array)).convert("RGB"))


def _load_file(source: str | os.PathLike[str]) -> LoadedImage:
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
            return _load_pillow(_open(stream, name), name)
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


def _open(stream: IO[bytes], name: str) -> ImageFile.ImageFile:
    """Read the header only.

    Pillow's own `Image.open` judges the size through global warning filters; asking its registry of formats
    leaves that judgement to `_check_size`, and keeps formats out that start other programs (EPS).
    """
    Image.preinit()
    prefix = stream.read(16)
    broken: Exception | None = None
    for key in _FORMATS:
        factory, accepts = Image.OPEN[key]
        verdict = accepts(prefix) if accepts else True
        if isinstance(verdict, str):
            raise ImageError(f"{name}: {verdict}")
        if not verdict:
            continue
        stream.seek(0)
        try:
            return factory(stream, name)
        except Image.DecompressionBombError as error:
            raise ImageError(_too_large(name)) from error
        except _BROKEN_PICTURE as error:
            broken = error
    if broken is not None:
        raise ImageError(_damaged(name, broken)) from broken
    known = ", ".join(sorted(_FORMATS))
    raise ImageError(f"{name}: this is not an image that can be read (known formats: {known})")


def _load_pillow(opened: Image.Image, name: str) -> LoadedImage:
    _check_size(opened.size, name)
    notes: list[str] = []
    try:
        # The further pictures of an MPO photo are previews and gain maps, not frames.
        if opened.format != "MPO" and getattr(opened, "is_animated", False):
            place = "first" if opened.tell() == 0 else "current"
            notes.append(f"it has several frames: only the {place} one is used")
        opened.load()
        upright = _upright(opened, notes)
        return LoadedImage(_to_rgb(upright, notes), tuple(notes))
    except Image.DecompressionBombError as error:
        raise ImageError(_too_large(name)) from error
    except MemoryError as error:
        size = f"{opened.width} x {opened.height} pixels"
        raise ImageError(f"{name}: there is not enough memory for {size}: make it smaller") from error
    except _BROKEN_PICTURE as error:
        raise ImageError(_damaged(name, error)) from error


def _upright(image: Image.Image, notes: list[str]) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN_PICTURE:
        notes.append("its EXIF block is damaged: the picture is taken as it is stored")
        return image


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_to_rgb(image, notes)
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        alpha = rgba.getchannel("A")
        if np.asarray(alpha).min() < 255:
            notes.append("its transparent parts are shown on white")
        canvas = Image.new("RGB", rgba.size, "white")
        canvas.paste(rgba, mask=alpha)
        return canvas
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _deep_to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """16-bit grey is scaled by 255 / 65535; other ranges are stretched to fill 0..255, with a note."""
    values = np.asarray(image).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ValueError("pixel values are not finite")
    if image.mode == "F" or low < 0 or high > 65535:
        notes.append(f"its values from {low:g} to {high:g} are stretched to 0..255")
        scaled = (values - low) * (255.0 / max(high - low, 1e-12))
    else:
        scaled = values / 257.0
    return Image.fromarray(np.rint(scaled).astype(np.uint8)).convert("RGB")


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{name}: the picture is {width} x {height} pixels, at least 1 x 1 was expected")
    if width * height > MAX_PIXELS:
        raise ImageError(_too_large(name, f"{width} x {height} pixels"))


def _too_large(name: str, size: str = "too many pixels") -> str:
    limit = MAX_PIXELS // 1_000_000
    return f"{name}: the picture has {size}, at most {limit} megapixels are accepted: make it smaller"


def _damaged(name: str, error: Exception) -> str:
    return f"{name}: the picture is damaged or truncated ({str(error) or type(error).__name__})"
