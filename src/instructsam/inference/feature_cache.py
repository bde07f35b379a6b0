"""A cache of image features in memory: further instructions about an image need no vision encoder."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple

from instructsam.structures.byte_cache import ByteCache

if TYPE_CHECKING:
    from instructsam.model.features import ImageFeatures


class FeatureKey(NamedTuple):
    """Everything that decides the features of an image.

    Attributes:
        encoder: the model, its number format and device, and the sizes that it resizes images to.
        content: a hash of the image's content.
        size: (height, width) in px of the upright image.
    """

    encoder: Hashable
    content: str
    size: tuple[int, int]


class FeatureCache(ByteCache[FeatureKey, "ImageFeatures"]):
    """Features by image, on the device of the model. Several threads and segmenters may share one.

    Args:
        max_bytes: of all features; 0 keeps none. Features of one image above it are not kept.
    """

    def put(self, key: FeatureKey, features: ImageFeatures) -> None:
        """Keep the features of one image, copied out of any larger memory."""
        if features.nbytes <= self.max_bytes:
            self.keep(key, features.owned(), features.nbytes)
