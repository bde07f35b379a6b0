"""A second detector: two convolutions and dot products, to show what `model.detector.base` asks for."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from instructsam.model.detector.base import Detector, DetectorFeatures, DetectorSizes, ExtraQueries
from instructsam.structures.outputs import DetectionOutput, SegmentationOutput


class GridConfig(PreTrainedConfig):
    model_type = "grid"

    width: int = 32
    side: int = 64
    cell: int = 8
    slots: int = 4


class GridDetector(Detector):
    """Query times cell is a mask; query times text is a score. All C wide, one cell for every cell of pixels."""

    model_type = "grid"
    config_class: ClassVar[type[PreTrainedConfig]] = GridConfig

    def __init__(self, config: Any, use_presence: bool) -> None:
        super().__init__()
        self.use_presence = use_presence
        self.vision_encoder = nn.Sequential(
            nn.Conv2d(3, config.width, config.cell, config.cell),
            nn.GELU(),
            nn.Conv2d(config.width, config.width, 3, padding=1),
        )
        self.boxes = nn.Linear(config.width, 4)
        self.slots = nn.Parameter(torch.zeros(config.slots, 4))

    @staticmethod
    def width(config: Any) -> int:
        return int(config.width)

    @staticmethod
    def image_size(config: Any) -> int:
        return int(config.side)

    @staticmethod
    def level_sizes(config: Any) -> list[tuple[int, int]]:
        return [(config.side // config.cell, config.side // config.cell)]

    @staticmethod
    def set_num_queries(config: Any, num_queries: int) -> None:
        config.slots = num_queries

    @staticmethod
    def small_config(sizes: DetectorSizes) -> dict[str, Any]:
        return {"width": sizes.width, "side": sizes.image_size, "cell": sizes.patch_size}

    def encode(self, pixel_values: Tensor) -> DetectorFeatures:
        return DetectorFeatures((self.vision_encoder(pixel_values),))

    def detect(
        self,
        features: DetectorFeatures,
        queries: Tensor,
        text: Tensor,
        text_mask: Tensor,
        auxiliary: bool = False,
        extra: ExtraQueries | None = None,
    ) -> SegmentationOutput:
        word = text.sum(1) / text_mask.sum(1, keepdim=True).clamp(min=1)
        start = self.slot_boxes().expand(len(queries), -1, -1)
        own = self._layer(features, queries, word, start)
        others = () if extra is None else (self._layer(features, extra.states, word, extra.boxes_cxcywh),)
        return SegmentationOutput(
            **vars(own),
            semantic_logits=torch.einsum("pc,pchw->phw", word, features.levels[-1]),
            auxiliary=(own,) if auxiliary else (),
            extra=others,
        )

    def _layer(
        self, features: DetectorFeatures, queries: Tensor, word: Tensor, start: Tensor
    ) -> DetectionOutput:
        heard = queries + word[:, None]
        return DetectionOutput(
            mask_logits=torch.einsum("pqc,pchw->pqhw", heard, features.levels[-1]),
            score_logits=(queries * word[:, None]).mean(-1),
            boxes_cxcywh=(start.logit(eps=1e-4) + self.boxes(heard)).sigmoid(),
            presence_logits=word.mean(-1) if self.use_presence else None,
        )

    def slot_boxes(self) -> Tensor:
        return self.slots.float().sigmoid()

    def set_slot_boxes(self, boxes_cxcywh: Tensor) -> None:
        self.slots.copy_(boxes_cxcywh.logit())
