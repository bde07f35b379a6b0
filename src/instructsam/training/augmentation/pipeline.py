"""The random changes of the sample at a position of a run: a pure function of (seed, position, settings, sample)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from instructsam.data.sample import TrainingSample
from instructsam.training.augmentation.color import blur, grey, jpeg_noise
from instructsam.training.augmentation.geometry import crop, draw_region, mirror, resize, target_region
from instructsam.training.augmentation.settings import AugmentSettings
from instructsam.training.augmentation.words import allowed_by

CONTEXT = 0.5  # a crop keeps this share of the targets' size around them: what they lie on or are held by
BLUR_RADII = (0.3, 1.2)  # px, in an image whose short side is 480 px
JPEG_QUALITIES = (40, 90)
_AUGMENT_STREAM = 0xA06_317  # keeps these draws apart from all other random numbers of a run


@dataclass(frozen=True)
class Draw:
    """The random numbers of one position, uniform in [0, 1); what is switched off does not shift the others."""

    crop: float
    scale: float
    flip: float
    grey: float
    blur: float
    jpeg: float
    radius: float
    quality: float


def augment(sample: TrainingSample, seed: int, position: int, settings: AugmentSettings) -> TrainingSample:
    """The sample with the changes of its position.

    Args:
        sample: of the source.
        seed: of the run.
        position: number of the sample in the stream.
        settings: which changes, and how often. A change that the words of the sample do not allow is left out.
    """
    if not settings.any:
        return sample
    rng = np.random.default_rng([seed, _AUGMENT_STREAM, position])
    draw = Draw(*(float(value) for value in rng.random(8)))
    allowed = allowed_by(sample)
    if draw.crop < settings.crop and allowed.crop:
        needed = target_region(sample, CONTEXT)
        region = draw_region(rng, image_size(sample), needed, settings.crop_area)
        sample = crop(sample, region, settings.min_visible)
    if settings.scale:
        factor = 1 - settings.scale * draw.scale
        height, width = image_size(sample)
        sample = resize(sample, (max(1, round(height * factor)), max(1, round(width * factor))))
    if draw.flip < settings.flip and allowed.flip:
        sample = mirror(sample)
    return replace(sample, image=_pixels(sample.image, draw, settings, allowed.grey))


def image_size(sample: TrainingSample) -> tuple[int, int]:
    """(height, width) px."""
    return sample.image.shape[0], sample.image.shape[1]


def _pixels(
    image: NDArray[np.uint8], draw: Draw, settings: AugmentSettings, allows_grey: bool
) -> NDArray[np.uint8]:
    if draw.grey < settings.grey and allows_grey:
        image = grey(image)
    if draw.blur < settings.blur:
        low, high = BLUR_RADII
        image = blur(image, (low + (high - low) * draw.radius) * min(image.shape[:2]) / 480)
    if draw.jpeg < settings.jpeg:
        low_quality, high_quality = JPEG_QUALITIES
        image = jpeg_noise(image, round(low_quality + (high_quality - low_quality) * draw.quality))
    return image
