"""Image features: both encodings of several images (docs/model.md, "Parts")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from instructsam.model.detector.base import DetectorFeatures
from instructsam.model.vlm.base import ImageEmbeds


@dataclass(frozen=True)
class ImageFeatures:
    """Both encodings of I images, computed once and shared by every instruction about them.

    Attributes:
        vlm: embeddings for the language model.
        grid_thw: int64 [I, 3], the VLM's patch grids.
        detector: the detector's features.
    """

    vlm: ImageEmbeds
    grid_thw: Tensor
    detector: DetectorFeatures

    def __len__(self) -> int:
        """I, the number of images."""
        return len(self.grid_thw)

    def of_image(self, image: int) -> ImageFeatures:
        """The features of one image."""
        if len(self) == 1:
            return self
        index = torch.tensor([image], device=self.grid_thw.device)
        return ImageFeatures(
            self.vlm.of_image(image), self.grid_thw[image : image + 1], self.detector.select(index)
        )

    @staticmethod
    def concatenate(parts: Sequence[ImageFeatures]) -> ImageFeatures:
        """The features of the images of all parts, one part after the other."""
        return ImageFeatures(
            ImageEmbeds.concatenate([part.vlm for part in parts]),
            torch.cat([part.grid_thw for part in parts]),
            type(parts[0].detector).concatenate([part.detector for part in parts]),
        )

    def owned(self) -> ImageFeatures:
        """The same features in memory of their own: no tensor keeps a larger one alive."""
        return ImageFeatures(self.vlm.map(_owned), _owned(self.grid_thw), self.detector.map(_owned))

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors; what `owned` features take."""
        tensors = (self.grid_thw, *self.vlm.tensors(), *self.detector.tensors())
        return sum(tensor.nbytes for tensor in tensors)


def _owned(tensor: Tensor) -> Tensor:
    whole = tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.nbytes
    return tensor if whole else tensor.clone(memory_format=torch.contiguous_format)
