"""TIFF: the layout is parsed first and decides which library reads the file.

Pillow reads one to four 8-bit bands and one band of 1 to 32 bits. Everything else (more bands, colour of more than
8 bits, half and double floats, separate planes) is read by tifffile (extra `tiff`).
"""

from __future__ import annotations

import importlib.util
import logging
import math
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.errors import ImageError
from instructsam.images.limits import BROKEN_PICTURE, damaged
from instructsam.images.pixels import samples_to_rgb
from instructsam.images.tiff_layout import (
    FLOAT,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    PHOTOMETRIC,
    RGB,
    SIGNED,
    UNSIGNED,
    TiffLayout,
)


def has_tifffile() -> bool:
    """Whether the optional reader is installed."""
    return all(importlib.util.find_spec(module) is not None for module in ("tifffile", "imagecodecs"))


def read_with_tifffile(stream: IO[bytes], layout: TiffLayout, name: str, notes: list[str]) -> Image.Image:
    """The first image as RGB, as stored (orientation not applied).

    Raises:
        ImageError: the layout is not supported, tifffile is not installed, or the file is damaged.
    """
    if layout.volume:
        raise ImageError(f"{name}: a TIFF volume is not supported: save one slice as an image")
    if layout.photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB):
        meant = PHOTOMETRIC.get(layout.photometric, f"photometric interpretation {layout.photometric}")
        raise ImageError(f"{name}: a TIFF of {layout} that holds {meant} is not supported: save it as RGB")
    packed = layout.bits < 8 and layout.samples > 1
    if layout.sample_format not in (UNSIGNED, SIGNED, FLOAT) or not layout.bits or packed:
        raise ImageError(f"{name}: a TIFF of {layout} is not supported: save it as 8-bit or 16-bit integers")
    samples = _samples(stream, layout, name)
    return samples_to_rgb(samples, layout.meaning, name, notes)


def needs_tifffile(layout: TiffLayout, name: str) -> str:
    """The message for a layout that only tifffile reads."""
    return (
        f"{name}: a TIFF of {layout} needs an optional reader: pip install 'instructsam[tiff]', or save the image as "
        "8-bit RGB"
    )


def pillow_values(image: Image.Image, layout: TiffLayout) -> NDArray[np.generic] | None:
    """The values [H, W, 1] of an image with one deep or signed band, in their true type; None for any other."""
    values = np.asarray(image)
    if values.ndim == 2 and layout.sample_format == SIGNED and layout.bits == 8:
        return values.view(np.int8)[..., None]
    if not (image.mode.startswith("I") or image.mode == "F"):
        return None
    if image.mode == "I" and layout.bits == 32 and layout.sample_format == UNSIGNED:
        return values.view(np.uint32)[..., None]
    if image.mode == "I" and layout.bits == 16:
        return values.astype(np.int16)[..., None]
    return values.astype(values.dtype.newbyteorder("="))[..., None]


def _samples(stream: IO[bytes], layout: TiffLayout, name: str) -> NDArray[np.generic]:
    """The samples [H, W, C] of the first image."""
    if not has_tifffile():  # both: tifffile's own decoders do not limit the unpacked size
        raise ImageError(needs_tifffile(layout, name))
    import tifffile

    logging.getLogger("tifffile").addHandler(
        logging.NullHandler()
    )  # its log messages are replaced by the error below
    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as file:
            page = file.pages[0]
            if (page.imagewidth, page.imagelength, page.samplesperpixel) != (*layout.size, layout.samples):
                raise ValueError("its tags contradict one another")
            if len(page.dataoffsets) != math.prod(page.chunked):
                raise ValueError(f"{len(page.dataoffsets)} of {math.prod(page.chunked)} parts are present")
            samples, axes = np.asarray(page.asarray(maxworkers=1)), page.axes
    except MemoryError as error:
        raise ImageError(f"{name}: there is not enough memory for {layout}: make it smaller") from error
    except BROKEN_PICTURE as error:
        raise ImageError(damaged(name, error)) from error
    if axes == "SYX":
        samples = np.moveaxis(samples, 0, -1)
    elif axes == "YX":
        samples = samples[..., None]
    if samples.shape != (layout.size[1], layout.size[0], layout.samples):
        raise ImageError(
            f"{name}: a TIFF of {layout} with axes {axes} is not supported: save it as 8-bit RGB"
        )
    return samples
