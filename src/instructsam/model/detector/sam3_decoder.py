"""SAM3's DETR decoder with given queries, in place of those of its own table.

P phrases, Q queries per phrase, C width, T phrase tokens, h w size of the coarsest level. The layers are the stock
ones; the loop around them is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.sam3.modeling_sam3 import inverse_sigmoid

from instructsam.model.attention import kernel_mask
from instructsam.model.detector.base import ExtraQueries
from instructsam.model.detector.sam3_modules import BoxEncoding


@dataclass(frozen=True)
class DecoderStates:
    """All decoder layers: states [layers, P, Q, C], input boxes [layers, P, Q, 4], presence [layers, P] or None."""

    states: Tensor
    reference_boxes: Tensor
    presence_logits: Tensor | None


def decode(
    decoder: Any,
    slot_boxes: Tensor,
    queries: Tensor,
    encoded: Any,
    text: Tensor,
    text_mask: Tensor,
    use_presence: bool,
    extra: ExtraQueries | None = None,
) -> DecoderStates:
    """Run all layers: box refinement, relative position bias, optional presence.

    Args:
        decoder: a `Sam3DetrDecoder`.
        slot_boxes: float32 [Q, 4], the boxes that refinement starts from, cxcywh in [0, 1].
        queries: float [P, Q, C].
        encoded: output of the DETR encoder.
        text: float [P, T, C].
        text_mask: bool or int64 [P, T], 0 at padding; or the attention kernel's mask [P, 1, 1, T].
        use_presence: whether the presence token goes first.
        extra: queries of training, which follow the Q ordinary ones in states and boxes.
    """
    size = queries.shape[0]
    # boxes add up small moves from layer to layer, in float32 whatever the weights are in
    boxes = slot_boxes.unsqueeze(0).expand(size, -1, -1)
    hidden, visible = queries, None
    lead = 1 if use_presence else 0
    if extra is not None:
        hidden = torch.cat([queries, extra.states.to(queries.dtype)], dim=1)
        boxes = torch.cat([boxes, extra.boxes_cxcywh.float()], dim=1)
        visible = kernel_mask(extra.visible(lead + queries.shape[1]), decoder.config, queries.dtype)
    if lead:
        hidden = torch.cat([decoder.presence_token.weight.unsqueeze(0).expand(size, -1, -1), hidden], dim=1)
    cross_mask = create_bidirectional_mask(
        config=decoder.config, inputs_embeds=hidden, attention_mask=text_mask, encoder_hidden_states=text
    )
    encoding = BoxEncoding.of(decoder, encoded.spatial_shapes[0], hidden)
    vision = (encoded.last_hidden_state + encoded.pos_embeds_flattened, encoded.last_hidden_state)
    states, references, presences = [], [], []
    for layer in decoder.layers:
        references.append(boxes)
        placed = boxes.to(hidden.dtype)
        position = F.pad(decoder.ref_point_head(encoding.sines(placed)), (0, 0, lead, 0))
        bias = encoding.attention_bias(placed, lead)
        hidden = decoder_layer(layer, hidden, position, vision, text, cross_mask, bias, visible)
        normed = decoder.output_layer_norm(hidden[:, lead:])
        boxes = (decoder.box_head(normed).float() + inverse_sigmoid(boxes)).sigmoid().detach()
        states.append(normed)
        if lead:
            presences.append(_presence_logits(decoder, hidden[:, 0]))
    presence = torch.stack(presences) if presences else None
    return DecoderStates(torch.stack(states), torch.stack(references), presence)


def decoder_layer(
    layer: Any,
    hidden: Tensor,
    position: Tensor,
    vision: tuple[Tensor, Tensor],
    text: Tensor,
    text_mask: Tensor | None,
    bias: Tensor,
    visible: Tensor | None = None,
) -> Tensor:
    """One stock decoder layer, run without its assumption that slot 0 is a presence token.

    Args:
        layer: a `Sam3DetrDecoderLayer`.
        hidden: float [P, N, C], N = Q or Q + 1 with the presence token first.
        position: float [P, N, C], the query positions, zero for the presence token.
        vision: keys and values float [P, h * w, C]: the DETR encoder's output with and without positions.
        text: float [P, T, C].
        text_mask: mask of the text cross-attention, None when nothing is padded.
        bias: float [P, heads, N, h * w], relative position bias.
        visible: mask of the self-attention [P, 1, N, N], None where every query sees every other.

    Returns:
        float [P, N, C].
    """
    placed = hidden + position
    attended, _ = layer.self_attn(query=placed, key=placed, value=hidden, attention_mask=visible)
    hidden = layer.self_attn_layer_norm(hidden + layer.self_attn_dropout(attended))
    attended, _ = layer.text_cross_attn(
        query=hidden + position, key=text, value=text, attention_mask=text_mask
    )
    hidden = layer.text_cross_attn_layer_norm(hidden + layer.text_cross_attn_dropout(attended))
    attended, _ = layer.vision_cross_attn(
        query=hidden + position,
        key=vision[0],
        value=vision[1],
        attention_mask=bias,
    )
    hidden = layer.vision_cross_attn_layer_norm(hidden + layer.vision_cross_attn_dropout(attended))
    result: Tensor = layer.mlp_layer_norm(hidden + layer.mlp_dropout(layer.mlp(hidden)))
    return result


def _presence_logits(decoder: Any, hidden: Tensor) -> Tensor:
    logits: Tensor = decoder.presence_head(decoder.presence_layer_norm(hidden)).squeeze(-1)
    limit = decoder.clamp_presence_logit_max_val
    return logits.clamp(-limit, limit)
