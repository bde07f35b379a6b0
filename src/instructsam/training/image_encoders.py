"""Both vision encoders of a training step: trained ones with gradients, frozen ones without, or from a cache.

I images of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor, nn

from instructsam.model.detector.base import DetectorFeatures
from instructsam.model.features import ImageFeatures
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.vlm.base import ImageEmbeds
from instructsam.structures.outputs import ModelInputs
from instructsam.training.feature_cache import CacheFolder, FeatureCache

Stored = dict[str, Tensor]


class ImageEncoders:
    """Encodes the images of batches.

    Args:
        model: whose encoders run.
        folder: of cached features; None without a cache.
        number_format: of the computation.
    """

    def __init__(
        self, model: InstructSAMModel, folder: CacheFolder | None = None, number_format: str = "float32"
    ) -> None:
        self.model = model
        vision, detector = model.vlm.vision_modules(), (model.detector.vision_encoder,)
        self.vlm_trains, self.detector_trains = _trains(vision), _trains(detector)
        self.vlm_cache = self.detector_cache = None
        if folder is not None and not self.vlm_trains:
            self.vlm_cache = FeatureCache(folder, "vlm_vision", vision, number_format)
        if folder is not None and not self.detector_trains:
            self.detector_cache = FeatureCache(folder, "detector_vision", detector, number_format)

    @property
    def caches(self) -> tuple[FeatureCache, ...]:
        """The caches of frozen encoders."""
        return tuple(cache for cache in (self.vlm_cache, self.detector_cache) if cache is not None)

    def __call__(self, inputs: ModelInputs, on_host: ModelInputs) -> ImageFeatures:
        """The features of all images of a batch.

        Args:
            inputs: of the batch, on the model's device.
            on_host: the same in main memory: its grids, and its pixels for the keys of a cache.
        """
        with torch.set_grad_enabled(self.vlm_trains):
            if self.vlm_cache is None:
                vlm = self.model.encode_vlm_images(inputs.pixel_values, on_host.image_grid_thw)
            else:
                vlm = self._cached_vlm(self.vlm_cache, inputs, on_host)
        with torch.set_grad_enabled(self.detector_trains):
            if self.detector_cache is None:
                detector = self.model.encode_detector_images(inputs.detector_pixel_values)
            else:
                detector = self._cached_detector(self.detector_cache, inputs, on_host)
        return ImageFeatures(vlm, on_host.image_grid_thw, detector)

    def _cached_vlm(self, cache: FeatureCache, inputs: ModelInputs, on_host: ModelInputs) -> ImageEmbeds:
        rows, grids = _rows_per_image(on_host), on_host.image_grid_thw
        keys = [cache.key(image) for image in zip(on_host.pixel_values.split(rows), grids, strict=True)]
        stored = [cache.get(key) for key in keys]
        missing = [image for image, features in enumerate(stored) if features is None]
        if missing:
            images = inputs.pixel_values.split(rows)
            pixels = torch.cat([images[image] for image in missing])
            made = self.model.encode_vlm_images(pixels, grids[missing])
            for place, image in enumerate(missing):
                layers = (made.embeds, *made.deepstack)
                stored[image] = {str(number): layer[place] for number, layer in enumerate(layers)}
        found = _stored(cache, keys, stored, missing, inputs.pixel_values.device)
        embeds, *deepstack = (tuple(image[str(n)] for image in found) for n in range(len(found[0])))
        return ImageEmbeds(embeds, tuple(deepstack))

    def _cached_detector(
        self, cache: FeatureCache, inputs: ModelInputs, on_host: ModelInputs
    ) -> DetectorFeatures:
        device = inputs.detector_pixel_values.device
        keys = [cache.key((image,)) for image in on_host.detector_pixel_values]
        stored = [cache.get(key) for key in keys]
        missing = [image for image, features in enumerate(stored) if features is None]
        if missing:
            made = self.model.encode_detector_images(inputs.detector_pixel_values[missing])
            for place, image in enumerate(missing):
                stored[image] = _tensors(made.select(torch.tensor([place], device=device)))
        found = _stored(cache, keys, stored, missing, device)
        whole = {name: torch.cat([image[name] for image in found]) for name in found[0]}
        number = sum(name.startswith("levels.") for name in whole)
        levels = tuple(whole.pop(f"levels.{level}") for level in range(number))
        return self.model.detector.features_class(levels, **whole)


def _trains(modules: Sequence[nn.Module]) -> bool:
    return any(parameter.requires_grad for module in modules for parameter in module.parameters())


def _rows_per_image(inputs: ModelInputs) -> list[int]:
    """Rows of `pixel_values` of each image: its patches, or one where a family takes whole images."""
    patches: list[int] = inputs.image_grid_thw.prod(-1).tolist()
    rows = len(inputs.pixel_values)
    return patches if sum(patches) == rows else [rows // len(patches)] * len(patches)


def _stored(
    cache: FeatureCache,
    keys: Sequence[str],
    features: Sequence[Stored | None],
    new: Sequence[int],
    device: torch.device,
) -> list[Stored]:
    """The features of all images on their device; those of the new ones are stored."""
    found = [image or {} for image in features]
    for image in new:
        cache.put(keys[image], found[image])
    return [{name: tensor.to(device, non_blocking=True) for name, tensor in image.items()} for image in found]


def _tensors(features: DetectorFeatures) -> Stored:
    """The tensors of detector features by field; those of `levels` are numbered."""
    found: Stored = {f"levels.{number}": level for number, level in enumerate(features.levels)}
    others = (field.name for field in fields(features) if field.name != "levels")
    return found | {name: getattr(features, name) for name in others}
