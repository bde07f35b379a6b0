"""Image features: both encodings of the images of one call (docs/model.md, "Parts")."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from instructsam.model.detector.base import DetectorFeatures


@dataclass(frozen=True)
class ImageFeatures:
    """Both encodings of I images, computed once and shared by every instruction about them.

    Attributes:
        embeds: per image, float [tokens, D]: the embeddings at the image positions of the conversation.
        deepstack: per DeepStack layer and image, float [tokens, D].
        grid_thw: int64 [I, 3], the VLM's patch grids.
        detector: the detector's features.
    """

    embeds: tuple[Tensor, ...]
    deepstack: tuple[tuple[Tensor, ...], ...]
    grid_thw: Tensor
    detector: DetectorFeatures
