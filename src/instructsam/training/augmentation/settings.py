"""The group `data.augment` of a run's configuration: random changes of training samples."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from instructsam.config import Config
from instructsam.errors import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]


class AugmentSettings(Config):
    """Random changes of images with their masks, boxes and words; all are off by default.

    Attributes:
        crop: share of the samples that are cropped, where their instructions allow it (docs/augmentation.md).
        crop_area: smallest and largest share of the image's area that a crop keeps; targets always stay whole.
        min_visible: an object that is no target and of which a crop leaves less than this share is dropped.
        scale: in [0, 0.9]; the sides of an image are multiplied by a factor in [1 - scale, 1].
        flip: share of the samples that are mirrored, left and right, where their instructions allow it.
        grey: share of the samples whose colours are removed, where no instruction names a colour.
        blur: share of the samples that are slightly blurred.
        jpeg: share of the samples that get the noise of JPEG compression.
    """

    crop: Share = 0.0
    crop_area: tuple[Annotated[float, Field(ge=0.05, le=1)], Annotated[float, Field(ge=0.05, le=1)]] = (
        0.4,
        1.0,
    )
    min_visible: Share = 0.2
    scale: float = Field(default=0.0, ge=0, le=0.9)
    flip: Share = 0.0
    grey: Share = 0.0
    blur: Share = 0.0
    jpeg: Share = 0.0

    @model_validator(mode="after")
    def _check(self) -> AugmentSettings:
        if self.crop_area[0] > self.crop_area[1]:
            raise ConfigError(
                f"crop_area must be the smallest and the largest share of the area, got {list(self.crop_area)}"
            )
        return self

    @property
    def any(self) -> bool:
        """Whether anything is switched on."""
        return any((self.crop, self.scale, self.flip, self.grey, self.blur, self.jpeg))
