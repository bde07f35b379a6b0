"""Image features: both encodings of the images of one call (docs/model.md, "Parts")."""

from __future__ import annotations

from dataclasses import dataclass

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
