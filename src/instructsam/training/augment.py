"""A picture of the world in other light: brighter or darker, with more or less contrast, and a slight colour cast.

Only training pictures are changed (`data.light`), so that a model has seen the other light that the robustness test
asks for (`evaluation.perturb.brightness`). Masks and places stay, and colours can still be told apart. Numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AS_DRAWN = 0.1  # share of the pictures that are left alone
CAST_SHARE = 1 / 6  # of the range of brightness: colours are asked for, so a cast must not reach the next one
_LIGHT_STREAM = 0x119471  # keeps the light apart from all other random numbers of a run


@dataclass(frozen=True)
class Light:
    """How one picture is lit.

    Attributes:
        brightness: factor on every channel.
        contrast: factor on every value's distance from the picture's mean.
        cast: one more factor for each of red, green and blue.
    """

    brightness: float
    contrast: float
    cast: tuple[float, float, float]


def draw_light(seed: int, position: int, light: float) -> Light | None:
    """The light of the scene at a position of the stream `seed`, a pure function of its arguments.

    Args:
        seed: of the run.
        position: number of the scene in the stream.
        light: in [0, 0.9]; brightness is uniform in 1 +- light, contrast in 1 +- light / 2, and each channel of the
            cast in 1 +- light / 6.

    Returns:
        None where the picture stays as drawn: for `AS_DRAWN` of all positions, and for all of them at 0.
    """
    rng = np.random.default_rng([seed, _LIGHT_STREAM, position])
    if not light or rng.random() < AS_DRAWN:
        return None
    ranges = np.array((light, light / 2, *[light * CAST_SHARE] * 3))
    brightness, contrast, red, green, blue = (float(one) for one in rng.uniform(1 - ranges, 1 + ranges))
    return Light(brightness, contrast, (red, green, blue))


def lit(image: NDArray[np.uint8], light: Light) -> NDArray[np.uint8]:
    """The picture in that light: a new array of the same shape.

    Contrast is taken around one grey value, the mean of all channels, which leaves the hue of every pixel; what goes
    beyond black or white is cut there.

    Args:
        image: uint8 [H, W, 3], RGB.
        light: from `draw_light`.
    """
    mean = float(image.mean())
    values = (np.arange(256) - mean) * light.contrast + mean
    made = np.empty_like(image)
    for channel, cast in enumerate(light.cast):
        table = np.clip(np.rint(values * (light.brightness * cast)), 0, 255).astype(np.uint8)
        made[..., channel] = table[image[..., channel]]
    return made
