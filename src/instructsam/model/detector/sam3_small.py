"""A small SAM3 that trains from scratch: configuration and initial weights (docs/model.md, "Initialisation")."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from instructsam.model.detector.base import DetectorSizes
from instructsam.model.initial_weights import local_attention, sine_table


def small_config(sizes: DetectorSizes) -> dict[str, Any]:
    """Fields of a `Sam3Config`."""
    width, grid = sizes.width, sizes.image_size // sizes.patch_size
    scales = [float(2**stage) for stage in range(sizes.mask_stages, -1, -1)]
    common = {
        "hidden_size": width,
        "num_attention_heads": sizes.heads,
        "intermediate_size": 3 * width,
        "dropout": sizes.dropout,
    }
    return {
        "vision_config": {
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": width,
                "intermediate_size": 3 * width,
                "num_hidden_layers": sizes.vision_layers,
                "num_attention_heads": sizes.heads,
                "image_size": sizes.image_size,
                "patch_size": sizes.patch_size,
                "window_size": grid,
                "global_attn_indexes": list(range(sizes.vision_layers)),
                "pretrain_image_size": sizes.image_size,
            },
            "fpn_hidden_size": width,
            "backbone_feature_sizes": [[int(grid * s), int(grid * s)] for s in scales],
            "scale_factors": [*scales, 0.5],
        },
        "detr_encoder_config": {**common, "num_layers": sizes.encoder_layers},
        "detr_decoder_config": {**common, "num_layers": sizes.layers, "num_queries": sizes.num_queries},
        "mask_decoder_config": {
            "hidden_size": width,
            "num_attention_heads": sizes.heads,
            "num_upsampling_stages": sizes.mask_stages,
        },
    }


def initialize_encoder(backbone: Any) -> None:
    """Give a `Sam3ViTModel` a sine position table and local attention."""
    positions = backbone.embeddings.position_embeddings
    positions.copy_(sine_table(*positions.shape[1:]))
    for layer in backbone.layers:
        attention = layer.attention
        projections = [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
        local_attention(*(projection.weight for projection in projections))


def initialize_decoder(decoder: Any, spread_slots: bool) -> None:
    """Slots of a `Sam3DetrDecoder`, and an attention bias that starts inside each slot's box."""
    if not spread_slots:
        nn.init.normal_(decoder.reference_points.weight, std=0.02)
    attend_inside_box(decoder.box_rpb_embed_x)
    attend_inside_box(decoder.box_rpb_embed_y)


def attend_inside_box(bias: Any) -> None:
    """Let the relative position bias start as what training makes of it: a slot attends to where its box is.

    The bias network of one axis sees how far a cell lies behind the box's near edge and before its far edge. Its
    first two hidden units are set to measure how far the cell lies outside, and every attention head starts by
    discounting that, each head with its own reach. A random start gives attention no place to attend to, and
    finding one by gradient descent is the slow part of training a DETR.
    """
    first, last = bias.layer1, bias.layer2
    heads = last.weight.shape[0]
    first.weight[:2] = torch.tensor([[-1.0, 0.0], [0.0, 1.0]])
    last.weight.normal_(std=0.02)
    last.weight[:, :2] = -torch.linspace(3.0, 12.0, heads).unsqueeze(1)
