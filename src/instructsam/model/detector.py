"""SAM3's detector, driven by per-sample queries (arXiv 2605.26102; SAM3's modules come from transformers).

P phrases, Q queries per phrase, C width, T phrase tokens, h w mask size. The stock modules are used unmodified;
only the decoder's loop is ours, because the stock one takes its queries from its own table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.sam3.modeling_sam3 import (
    Sam3DetrDecoder,
    Sam3DetrEncoder,
    Sam3DotProductScoring,
    Sam3MaskDecoder,
    Sam3VisionModel,
    inverse_sigmoid,
)

from instructsam.structures.outputs import DetectionOutput, SegmentationOutput


@dataclass(frozen=True)
class DetectorFeatures:
    """The detector's view of I images, made once and shared by all phrases.

    Attributes:
        levels: floats [I, C, h_l, w_l], fine to coarse, without SAM3's unused last level.
        positions: float [1 or I, C, h, w], sine encoding of the coarsest level.
    """

    levels: tuple[Tensor, ...]
    positions: Tensor

    def select(self, image_index: Tensor) -> DetectorFeatures:
        """Features repeated per phrase: row p shows image `image_index[p]`."""
        positions = self.positions.expand(self.levels[-1].shape[0], -1, -1, -1)
        return DetectorFeatures(tuple(level[image_index] for level in self.levels), positions[image_index])


@dataclass(frozen=True)
class ExtraQueries:
    """E more queries per phrase, for training only: their boxes are given, and the others do not see them.

    Attributes:
        states: float [P, E, C], what they start from.
        boxes_cxcywh: float [P, E, 4] in [0, 1], the reference boxes of the first decoder layer.
        group: int64 [E]: each sees the ordinary queries and its own group.
        real: bool [P, E], False for padding, which no other query sees.
    """

    states: Tensor
    boxes_cxcywh: Tensor
    group: Tensor
    real: Tensor

    def visible(self, ordinary: int) -> Tensor:
        """bool [P, 1, N, N], N = ordinary + E: whether a query (row) sees another one in self-attention."""
        seen = torch.zeros(
            len(self.real), *[ordinary + len(self.group)] * 2, dtype=torch.bool, device=self.real.device
        )
        seen[:, :, :ordinary] = True
        seen[:, ordinary:, ordinary:] = (self.group[:, None] == self.group) & self.real[:, None]
        return seen.unsqueeze(1)


@dataclass(frozen=True)
class DecoderStates:
    """All decoder layers: states [layers, P, Q, C], input boxes [layers, P, Q, 4], presence [layers, P] or None."""

    states: Tensor
    reference_boxes: Tensor
    presence_logits: Tensor | None


class Detector(nn.Module):
    """Vision encoder, DETR encoder and decoder, scoring and mask head; no text encoder of its own."""

    def __init__(self, config: Any, use_presence: bool) -> None:
        super().__init__()
        self.use_presence = use_presence
        for part in ("detr_encoder_config", "detr_decoder_config", "mask_decoder_config"):
            getattr(config, part)._attn_implementation = config._attn_implementation
        self.vision_encoder = Sam3VisionModel(config.vision_config)
        self.detr_encoder = Sam3DetrEncoder(config.detr_encoder_config)
        self.detr_decoder = Sam3DetrDecoder(config.detr_decoder_config)
        self.mask_decoder = Sam3MaskDecoder(config.mask_decoder_config)
        self.dot_product_scoring = Sam3DotProductScoring(config)
        del self.detr_decoder.query_embed  # our queries come from the projector
        if not use_presence:
            del self.detr_decoder.presence_token, self.detr_decoder.presence_head
            del self.detr_decoder.presence_layer_norm

    def encode(self, pixel_values: Tensor) -> DetectorFeatures:
        """Images [I, 3, S, S] -> features."""
        vision = self.vision_encoder(pixel_values)
        return DetectorFeatures(tuple(vision.fpn_hidden_states[:-1]), vision.fpn_position_encoding[:-1][-1])

    def forward(
        self,
        features: DetectorFeatures,
        queries: Tensor,
        text: Tensor,
        text_mask: Tensor,
        auxiliary: bool = False,
        extra: ExtraQueries | None = None,
    ) -> SegmentationOutput:
        """One detector pass for P phrases.

        Args:
            features: of P rows (see `DetectorFeatures.select`).
            queries: float [P, Q, C], projected query states.
            text: float [P, T, C], projected phrase tokens, zero at padding.
            text_mask: bool [P, T].
            auxiliary: also fill `SegmentationOutput.auxiliary` with the earlier layers.
            extra: queries that are answered in `SegmentationOutput.extra` and change nothing else.

        Returns:
            mask_logits [P, Q, h, w], score_logits [P, Q], boxes_cxcywh [P, Q, 4], presence_logits [P] or None,
            semantic_logits [P, h, w].
        """
        encoded = self.detr_encoder(
            vision_features=[features.levels[-1]],
            text_features=text,
            vision_pos_embeds=[features.positions],
            text_mask=text_mask,
        )
        decoded = self.decode(queries, encoded, text, text_mask, extra)
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
            prompt_mask=text_mask,
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
        """SAM3's decoder loop with given queries: box refinement, relative position bias, optional presence.

        `extra` queries follow the Q ordinary ones in states and boxes.
        """
        decoder = self.detr_decoder
        size = queries.shape[0]
        # boxes add up small moves from layer to layer, in float32 whatever the weights are in
        boxes = decoder.reference_points.weight.float().unsqueeze(0).expand(size, -1, -1).sigmoid()
        hidden, visible = queries, None
        lead = 1 if self.use_presence else 0
        if extra is not None:
            hidden = torch.cat([queries, extra.states.to(queries.dtype)], dim=1)
            boxes = torch.cat([boxes, extra.boxes_cxcywh.float()], dim=1)
            visible = self._mask(extra.visible(lead + queries.shape[1]), queries.dtype)
        if lead:
            hidden = torch.cat(
                [decoder.presence_token.weight.unsqueeze(0).expand(size, -1, -1), hidden], dim=1
            )
        cross_mask = create_bidirectional_mask(
            config=decoder.config, inputs_embeds=hidden, attention_mask=text_mask, encoder_hidden_states=text
        )
        height, width = encoded.spatial_shapes[0]
        states, references, presences = [], [], []
        for layer in decoder.layers:
            references.append(boxes)
            placed = boxes.to(hidden.dtype)
            position = decoder.ref_point_head(decoder.position_encoding.encode_boxes(placed))
            bias = decoder._get_rpb_matrix(placed, (height, width))
            hidden = decoder_layer(
                layer,
                hidden,
                F.pad(position, (0, 0, lead, 0)),
                encoded,
                text,
                cross_mask,
                F.pad(bias, (0, 0, lead, 0)),
                visible,
            )
            normed = decoder.output_layer_norm(hidden[:, lead:])
            boxes = (decoder.box_head(normed).float() + inverse_sigmoid(boxes)).sigmoid().detach()
            states.append(normed)
            if lead:
                presences.append(self._presence(hidden[:, 0]))
        presence = torch.stack(presences) if presences else None
        return DecoderStates(torch.stack(states), torch.stack(references), presence)

    def _mask(self, visible: Tensor, dtype: torch.dtype) -> Tensor:
        """Visibility in the form that the attention kernel takes: the eager one adds it to its logits."""
        if self.detr_decoder.config._attn_implementation != "eager":
            return visible
        added = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
        return added.masked_fill(~visible, torch.finfo(dtype).min)

    def _presence(self, hidden: Tensor) -> Tensor:
        decoder = self.detr_decoder
        logits: Tensor = decoder.presence_head(decoder.presence_layer_norm(hidden)).squeeze(-1)
        limit = decoder.clamp_presence_logit_max_val
        return logits.clamp(-limit, limit)


def _layers(
    mask_logits: Tensor, scores: Tensor, boxes: Tensor, presence: Tensor | None
) -> list[DetectionOutput]:
    """What each of the last K decoder layers says; all [K, ...] but presence, which is of every layer."""
    kept = [None] * len(boxes) if presence is None else presence[-len(boxes) :]
    return [DetectionOutput(*parts) for parts in zip(mask_logits, scores, boxes, kept, strict=True)]


def decoder_layer(
    layer: Any,
    hidden: Tensor,
    position: Tensor,
    encoded: Any,
    text: Tensor,
    text_mask: Tensor,
    bias: Tensor,
    visible: Tensor | None = None,
) -> Tensor:
    """One stock decoder layer, run without its assumption that slot 0 is a presence token.

    Args:
        layer: a `Sam3DetrDecoderLayer`.
        hidden: float [P, N, C], N = Q or Q + 1 with the presence token first.
        position: float [P, N, C], the query positions, zero for the presence token.
        encoded: output of the DETR encoder.
        text: float [P, T, C].
        text_mask: mask of the text cross-attention, None when nothing is padded.
        bias: float [P, heads, N, h * w], relative position bias.
        visible: mask of the self-attention [P, 1, N, N], None where every query sees every other.

    Returns:
        float [P, N, C].
    """
    vision = encoded.last_hidden_state
    placed = hidden + position
    attended, _ = layer.self_attn(query=placed, key=placed, value=hidden, attention_mask=visible)
    hidden = layer.self_attn_layer_norm(hidden + layer.self_attn_dropout(attended))
    attended, _ = layer.text_cross_attn(
        query=hidden + position, key=text, value=text, attention_mask=text_mask
    )
    hidden = layer.text_cross_attn_layer_norm(hidden + layer.text_cross_attn_dropout(attended))
    attended, _ = layer.vision_cross_attn(
        query=hidden + position,
        key=vision + encoded.pos_embeds_flattened,
        value=vision,
        attention_mask=bias,
    )
    hidden = layer.vision_cross_attn_layer_norm(hidden + layer.vision_cross_attn_dropout(attended))
    result: Tensor = layer.mlp_layer_norm(hidden + layer.mlp_dropout(layer.mlp(hidden)))
    return result
