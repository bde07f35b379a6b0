"""The images of one call, encoded when a batch first needs them and released after the last one that does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from instructsam.inference.feature_cache import FeatureKey
from instructsam.model.features import ImageFeatures

if TYPE_CHECKING:
    from collections.abc import Hashable

    from instructsam.images.loader import LoadedImage
    from instructsam.inference.feature_cache import FeatureCache
    from instructsam.model.instructsam import InstructSAMModel
    from instructsam.processing.processor import InstructSAMProcessor


@dataclass
class EncodedImages:
    """Features of the images of one call.

    Args:
        model: encodes them.
        processor: of the same checkpoint.
        images: all images of the call.
        contents: a hash of each image's content; images without one ("") are not cached.
        cache: where features of earlier calls are; None for none.
        encoder: the part of a `FeatureKey` that stands for the model.
    """

    model: InstructSAMModel
    processor: InstructSAMProcessor
    images: Sequence[LoadedImage]
    contents: Sequence[str]
    cache: FeatureCache | None
    encoder: Hashable
    _open: Counter[int] = field(default_factory=Counter, init=False)
    # Features of several images that were encoded together, and the image's place among them.
    _held: dict[int, tuple[ImageFeatures, int]] = field(default_factory=dict, init=False)

    def expect(self, image_indices: Iterable[int]) -> None:
        """Count the uses of images that are to come."""
        self._open.update(image_indices)

    def release(self, image_indices: Iterable[int]) -> None:
        """Count uses that are done; an image without further ones is released."""
        for index in image_indices:
            self._open[index] -= 1
            if self._open[index] <= 0:
                self._held.pop(index, None)

    def features(self, used: Sequence[int]) -> ImageFeatures:
        """Features of some images in this order; those that are not held are encoded together."""
        missing = [index for index in used if index not in self._held and not self._find(index)]
        if missing:
            self._encode(missing)
        places = [self._held[index] for index in used]
        whole = places[0][0]
        if len(whole) == len(used) and all(part is whole and i == at for i, (part, at) in enumerate(places)):
            return whole
        return ImageFeatures.concatenate([part.of_image(at) for part, at in places])

    def _find(self, index: int) -> bool:
        key = self._key(index)
        found = None if key is None or self.cache is None else self.cache.get(key)
        if found is not None:
            self._held[index] = found, 0
        return found is not None

    def _encode(self, missing: Sequence[int]) -> None:
        pixels = self.processor.encode_images([self.images[index].image for index in missing])
        encoded = self.model.encode_images(*(tensor.to(self.model.device) for tensor in pixels))
        for place, index in enumerate(missing):
            self._held[index] = encoded, place
            key = self._key(index)
            if key is not None and self.cache is not None:
                self.cache.put(key, encoded.of_image(place))

    def _key(self, index: int) -> FeatureKey | None:
        image, content = self.images[index].image, self.contents[index]
        return FeatureKey(self.encoder, content, (image.height, image.width)) if content else None


def encoder_key(
    segmenter: int, model: InstructSAMModel, processor: InstructSAMProcessor
) -> tuple[Hashable, ...]:
    """The part of a `FeatureKey` that stands for a model.

    Args:
        segmenter: a number that no other segmenter of this process has.
        model: of the segmenter.
        processor: of the segmenter.
    """
    return (
        segmenter,
        str(model.dtype),
        str(model.device),
        processor.pixel_rules,
        processor.settings.image_size,
    )
