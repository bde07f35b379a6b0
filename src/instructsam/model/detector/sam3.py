"""SAM3's detector, driven by per-sample queries (arXiv 2605.26102; SAM3's modules come from transformers).

P phrases, Q queries per phrase, C width, T phrase tokens, h w mask size. The stock modules are used unmodified;
only the decoder's loop is ours (`sam3_decoder`), because the stock one takes its queries from its own table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, Sam3Config, Sam3Model
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.models.sam3.modeling_sam3 import (
    Sam3DetrDecoder,
    Sam3DetrEncoderLayer,
    Sam3DotProductScoring,
    Sam3MaskDecoder,
    Sam3VisionModel,
    inverse_sigmoid,
)

from instructsam.model.attention import kernel_mask
from instructsam.model.detector import sam3_small
from instructsam.model.detector.base import Detector, DetectorFeatures, DetectorSizes, ExtraQueries
from instructsam.model.detector.sam3_decoder import DecoderStates, decode
from instructsam.model.detector.sam3_modules import SingleLevelEncoder
from instructsam.structures.outputs import DetectionOutput, SegmentationOutput

if TYPE_CHECKING:
    from typing_extensions import Self

REFERENCE_POINTS = "detr_decoder.reference_points.weight"


@dataclass(frozen=True)
class Sam3Features(DetectorFeatures):
    """Levels without SAM3's unused last one.

    Attributes:
        positions: float [1 or I, C, h, w], sine encoding of the coarsest level, the same for every image.
    """

    positions: Tensor

    def select(self, image_index: Tensor) -> Sam3Features:
        levels = tuple(level.index_select(0, image_index) for level in self.levels)
        return Sam3Features(levels, self.positions[:1].expand(len(image_index), -1, -1, -1))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        levels = zip(*(part.levels for part in parts), strict=True)
        return cls(tuple(torch.cat(level) for level in levels), parts[0].positions)


class CheckpointedEncoderLayer(GradientCheckpointingLayer, Sam3DetrEncoderLayer):
    """A layer of the DETR encoder that gradient checkpointing reaches; the stock one runs without."""


class Sam3Detector(Detector):
    """Vision encoder, DETR encoder and decoder, scoring and mask head; no text encoder of its own."""

    model_type = "sam3"
    config_class: ClassVar[type[PreTrainedConfig]] = Sam3Config
    features_class: ClassVar[type[DetectorFeatures]] = Sam3Features
    parts = (
        ("detector vision encoder", "vision_encoder."),
        ("detector encoder and decoder", "detr_"),
        ("detector masks and scores", "mask_decoder."),
        ("detector masks and scores", "dot_product_scoring."),
    )
    _no_split_modules: ClassVar[list[str]] = ["Sam3ViTLayer"]

    def __init__(self, config: Any, use_presence: bool) -> None:
        super().__init__()
        self.use_presence = use_presence
        for part in ("detr_encoder_config", "detr_decoder_config", "mask_decoder_config"):
            getattr(config, part)._attn_implementation = config._attn_implementation
        self.vision_encoder = Sam3VisionModel(config.vision_config)
        self.detr_encoder = SingleLevelEncoder(config.detr_encoder_config)
        for layer in self.detr_encoder.layers:
            layer.__class__ = CheckpointedEncoderLayer  # the stock module's parameters, none drawn again
        self.detr_decoder = Sam3DetrDecoder(config.detr_decoder_config)
        self.mask_decoder = Sam3MaskDecoder(config.mask_decoder_config)
        self.dot_product_scoring = Sam3DotProductScoring(config)
        del self.detr_decoder.query_embed  # our queries come from the projector
        if not use_presence:
            del self.detr_decoder.presence_token, self.detr_decoder.presence_head
            del self.detr_decoder.presence_layer_norm

    @staticmethod
    def width(config: Any) -> int:
        return int(config.detr_decoder_config.hidden_size)

    @staticmethod
    def image_size(config: Any) -> int:
        return int(config.vision_config.backbone_config.image_size)

    @staticmethod
    def level_sizes(config: Any) -> list[tuple[int, int]]:
        return [(rows, columns) for rows, columns in config.vision_config.backbone_feature_sizes]

    @staticmethod
    def set_num_queries(config: Any, num_queries: int) -> None:
        config.detr_decoder_config.num_queries = num_queries

    @staticmethod
    def small_config(sizes: DetectorSizes) -> dict[str, Any]:
        return sam3_small.small_config(sizes)

    @staticmethod
    def level_scales(config: Any) -> dict[str, float]:
        scales = config.vision_config.scale_factors
        return {f"vision_encoder.neck.fpn_layers.{n}.": float(scale) for n, scale in enumerate(scales)}

    def encode(self, pixel_values: Tensor) -> Sam3Features:
        vision = self.vision_encoder(pixel_values)
        return Sam3Features(tuple(vision.fpn_hidden_states[:-1]), vision.fpn_position_encoding[:-1][-1])

    def detect(
        self,
        features: DetectorFeatures,
        queries: Tensor,
        text: Tensor,
        text_mask: Tensor,
        auxiliary: bool = False,
        extra: ExtraQueries | None = None,
    ) -> SegmentationOutput:
        if not isinstance(features, Sam3Features):
            raise TypeError(f"features must come from Sam3Detector.encode, got {type(features).__name__}")
        text_seen = text_mask
        if (
            torch.is_grad_enabled()
        ):  # made once here; the stock modules look for padding and wait for the device
            text_seen = kernel_mask(text_mask.bool()[:, None, None], self.detr_decoder.config, text.dtype)
        encoded = self.detr_encoder(
            vision_features=[features.levels[-1]],
            text_features=text,
            vision_pos_embeds=[features.positions],
            text_mask=text_seen,
        )
        decoded = self.decode(queries, encoded, text, text_seen, extra)
        boxes = (
            inverse_sigmoid(decoded.reference_boxes) + self.detr_decoder.box_head(decoded.states)
        ).sigmoid()
        scores = self.dot_product_scoring(decoded.states, text, text_mask).squeeze(-1)
        first = 0 if auxiliary else decoded.states.shape[0] - 1
        kept = decoded.states[first:]
        masks = self.mask_decoder(
            decoder_queries=kept.transpose(0, 1).flatten(1, 2),
            backbone_features=list(features.levels),
            encoder_hidden_states=encoded.last_hidden_state,
            prompt_features=text,
            prompt_mask=text_seen,
        )
        mask_logits = masks.pred_masks.unflatten(1, (kept.shape[0], -1)).transpose(0, 1)
        layers = _layers(mask_logits, scores[first:], boxes[first:], decoded.presence_logits)
        halves = [] if extra is None else [layer.split(queries.shape[1]) for layer in layers]
        layers = [own for own, _ in halves] or layers
        last = layers[-1]
        return SegmentationOutput(
            mask_logits=last.mask_logits,
            score_logits=last.score_logits,
            boxes_cxcywh=last.boxes_cxcywh,
            presence_logits=last.presence_logits,
            semantic_logits=masks.semantic_seg.squeeze(1),
            auxiliary=tuple(layers[:-1]),
            extra=tuple(other for _, other in halves),
        )

    def decode(
        self,
        queries: Tensor,
        encoded: Any,
        text: Tensor,
        text_mask: Tensor,
        extra: ExtraQueries | None = None,
    ) -> DecoderStates:
        """The decoder with given queries, which start from `slot_boxes`; see `sam3_decoder.decode`."""
        return decode(
            self.detr_decoder, self.slot_boxes(), queries, encoded, text, text_mask, self.use_presence, extra
        )

    def slot_boxes(self) -> Tensor:
        boxes: Tensor = self.detr_decoder.reference_points.weight.float().sigmoid()
        return boxes

    def compiled_modules(self) -> tuple[nn.Module, ...]:
        return (self.vision_encoder, self.detr_encoder)

    def blocks(self) -> tuple[nn.Module, ...]:
        decoder = [
            part
            for layer in self.detr_decoder.layers
            for part in (layer.self_attn, layer.text_cross_attn, layer.vision_cross_attn, layer.mlp)
        ]
        return (*decoder, self.mask_decoder.pixel_decoder)

    def set_slot_boxes(self, boxes_cxcywh: Tensor) -> None:
        self.detr_decoder.reference_points.weight.copy_(boxes_cxcywh.logit())

    def quiet_layers(self) -> tuple[nn.Module, ...]:
        return (self.detr_decoder.box_head.layer3,)

    def initialize_encoder(self) -> None:
        sam3_small.initialize_encoder(self.vision_encoder.backbone)

    def initialize_decoder(self, spread_slots: bool) -> None:
        sam3_small.initialize_decoder(self.detr_decoder, spread_slots)

    @classmethod
    def stock_class(cls) -> Any:
        return Sam3Model

    @classmethod
    def stock_slot_boxes(cls, tensors: Mapping[str, Tensor]) -> Tensor:
        return tensors[REFERENCE_POINTS].float().sigmoid()

    @classmethod
    def from_stock(
        cls, tensors: Mapping[str, Tensor], slots: Tensor, use_presence: bool
    ) -> dict[str, Tensor]:
        return {
            name: tensor[slots] if name == REFERENCE_POINTS else tensor
            for name, tensor in tensors.items()
            if not name.startswith("detr_decoder.query_embed.") and (use_presence or "presence" not in name)
        }


def _layers(
    mask_logits: Tensor, scores: Tensor, boxes: Tensor, presence: Tensor | None
) -> list[DetectionOutput]:
    """Outputs of the last K decoder layers; all arguments [K, ...] but presence, which has every layer."""
    kept = [None] * len(boxes) if presence is None else presence[-len(boxes) :]
    return [DetectionOutput(*parts) for parts in zip(mask_logits, scores, boxes, kept, strict=True)]
