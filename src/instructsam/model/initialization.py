"""Fresh weights: no two slots alike, and small models that hear and see from the first step.

Stock initialisation (docs/model.md, "Initialisation") is right for loading pretrained weights and poor for training
a small model from nothing; docs/experiments.md has the curves.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from instructsam.model.configuration import InstructSAMConfig
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.presets import Recipe
from instructsam.model.queries import spread_boxes


def build_model(config: InstructSAMConfig, attn_implementation: str = "sdpa") -> InstructSAMModel:
    """A fresh model with stock initialisation, but distinct slots: reference boxes are spread over the image."""
    model: InstructSAMModel = InstructSAMModel._from_config(
        config, attn_implementation=attn_implementation, dtype=torch.float32
    )
    with torch.no_grad():
        model.detector.detr_decoder.reference_points.weight.copy_(spread_boxes(config.num_queries).logit())
    return model


def build_small(
    recipe: Recipe, config: InstructSAMConfig, attn_implementation: str = "sdpa"
) -> InstructSAMModel:
    """A fresh small model that hears and sees from the first step; `config` is that of the recipe.

    Stock initialisation, N(0, .02), is made for widths of a thousand and more; at a width of 128 every layer would
    pass on a fifth of its input. Here linear and convolution weights keep the size of what flows through
    (Xavier), as DETR initialises its own; the last layers that move boxes and attention biases stay near zero.
    """
    model = build_model(config, attn_implementation)
    decoder = model.detector.detr_decoder
    quiet = {decoder.box_head.layer3, model.lm_head}
    with torch.no_grad():
        for module in model.modules():
            if module in quiet or not isinstance(
                module, (nn.Linear, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)
            ):
                continue
            nn.init.xavier_uniform_(module.weight)
            if isinstance(module, (nn.Conv2d, nn.Conv3d)) and tuple(module.kernel_size) == tuple(
                module.stride
            ):
                # a patch embedding is a linear layer: Xavier would count every pixel among its outputs, and the
                # picture would drown in its own position table
                nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        nn.init.normal_(model.instance_queries.weight, std=recipe.query_std)
        nn.init.normal_(model.get_input_embeddings().weight, std=recipe.embedding_std)
        vit_positions = model.detector.vision_encoder.backbone.embeddings.position_embeddings
        vit_positions.copy_(sine_table(*vit_positions.shape[1:]))
        vlm_positions = model.vlm.visual.pos_embed.weight
        vlm_positions.copy_(sine_table(*vlm_positions.shape))
        for layer in model.detector.vision_encoder.backbone.layers:
            attention = layer.attention
            projections = [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
            start_local(*(projection.weight for projection in projections))
        for block in model.vlm.visual.blocks:
            query, key, value = block.attn.qkv.weight.chunk(3)
            start_local(query, key, value, block.attn.proj.weight)
        if not recipe.spread_slots:
            nn.init.normal_(decoder.reference_points.weight, std=0.02)
        look_inside(decoder.box_rpb_embed_x)
        look_inside(decoder.box_rpb_embed_y)
    return model


def look_inside(bias: Any) -> None:
    """Let SAM3's relative position bias start as what it learns to be: a slot looks where its box is.

    The bias network of one axis sees how far a cell lies behind the box's near edge and before its far edge. Its
    first two hidden units are set to measure how far the cell lies outside, and every attention head starts by
    discounting that, each head with a reach of its own. A random start gives attention no place to look at, and
    finding one by gradient descent is the slow part of training a DETR.
    """
    first, last = bias.layer1, bias.layer2
    heads = last.weight.shape[0]
    first.weight[:2] = torch.tensor([[-1.0, 0.0], [0.0, 1.0]])
    last.weight.normal_(std=0.02)
    last.weight[:, :2] = -torch.linspace(3.0, 12.0, heads).unsqueeze(1)


def start_local(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, out: torch.Tensor) -> None:
    """Let self-attention start as trained vision towers end: every cell looks at itself and its surroundings.

    Queries equal keys, so that a cell attends to cells like it, which its position table makes its neighbours; and
    value and output maps together subtract part of the average. Source: "Mimetic initialization of self-attention
    layers" (arXiv 2305.09828), strengths as there.

    Args:
        query, key, value, out: float [width, width] weights of one layer, changed in place.
    """
    width = query.shape[0]
    nn.init.orthogonal_(query, gain=0.7**0.5)
    key.copy_(query)
    nn.init.orthogonal_(value)
    noise = torch.randn(width, width) * width**-0.5
    out.copy_((0.4 * noise - 0.4 * torch.eye(width)) @ value.T)


def sine_table(cells: int, width: int, amplitude: float = 0.7) -> torch.Tensor:
    """Start of a learned position table: sines of row and column, float [cells, width], cells in raster order.

    Both towers then know from the first step where each patch lies, which boxes and words like "left" depend on.
    """
    side = math.isqrt(cells)
    frequencies = math.pi * torch.logspace(-1, math.log2(side / 2), width // 4, base=2.0)
    angles = (torch.arange(side) + 0.5).div(side).unsqueeze(1) * frequencies
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)  # [side, width / 2]
    rows = waves.unsqueeze(1).expand(-1, side, -1)
    columns = waves.unsqueeze(0).expand(side, -1, -1)
    return amplitude * torch.cat([rows, columns], dim=-1).flatten(0, 1)
