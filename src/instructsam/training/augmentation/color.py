"""Colour jitter of training images (brightness, contrast, a slight colour cast), grey, blur and JPEG noise.

Masks and places stay, and the jitter keeps colours distinguishable. Numpy and PIL only.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from instructsam.images.loader import load_bytes

UNCHANGED_SHARE = 0.1  # of the images
CAST_SHARE = (
    1 / 6
)  # of the range of brightness: instructions name colours, so a cast must not reach the next one
_JITTER_STREAM = 0x119471  # keeps the draw apart from all other random numbers of a run


@dataclass(frozen=True)
class ColorJitter:
    """The change of one image.

    Attributes:
        brightness: factor on every channel.
        contrast: factor on every value's distance from the image's mean.
        cast: one more factor for each of red, green and blue.
    """

    brightness: float
    contrast: float
    cast: tuple[float, float, float]


def draw_color_jitter(seed: int, position: int, strength: float) -> ColorJitter | None:
    """The change of the image at a position of the stream `seed`, a pure function of its arguments.

    Args:
        seed: of the run.
        position: number of the sample in the stream.
        strength: in [0, 0.9]; brightness is uniform in 1 +- strength, contrast in 1 +- strength / 2, and each channel
            of the cast in 1 +- strength / 6.

    Returns:
        None where the image stays as it is: for `UNCHANGED_SHARE` of all positions, and for all of them at 0.
    """
    rng = np.random.default_rng([seed, _JITTER_STREAM, position])
    if not strength or rng.random() < UNCHANGED_SHARE:
        return None
    ranges = np.array((strength, strength / 2, *[strength * CAST_SHARE] * 3))
    brightness, contrast, red, green, blue = (float(factor) for factor in rng.uniform(1 - ranges, 1 + ranges))
    return ColorJitter(brightness, contrast, (red, green, blue))


def apply_color_jitter(image: NDArray[np.uint8], jitter: ColorJitter) -> NDArray[np.uint8]:
    """The changed image, a new array of the same shape.

    Contrast is taken around one grey value, the mean of all channels, which keeps the hue of every pixel; values beyond
    black or white are clipped.

    Args:
        image: uint8 [H, W, 3], RGB.
        jitter: from `draw_color_jitter`.
    """
    mean = float(image.mean())
    values = (np.arange(256) - mean) * jitter.contrast + mean
    changed = np.empty_like(image)
    for channel, cast in enumerate(jitter.cast):
        table = np.clip(np.rint(values * (jitter.brightness * cast)), 0, 255).astype(np.uint8)
        changed[..., channel] = table[image[..., channel]]
    return changed


def grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image without its colours: uint8 [H, W, 3] of equal channels."""
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


def blur(image: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    """The image with a Gaussian blur of a radius in pixels."""
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def jpeg_noise(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """The image after JPEG compression of a quality in 1..95."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(load_bytes(file.getvalue(), "image").image)
