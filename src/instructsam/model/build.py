"""Fresh models from a few numbers: recipes, and a start in which no two slots are alike (MODEL.md, "Initialisation").

Classes take plain arguments; this builder flattens a small recipe into the two stock configurations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import nn

from instructsam.errors import ConfigError
from instructsam.model.configuration import InstructSAMConfig
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.queries import spread_boxes


@dataclass(frozen=True)
class Recipe:
    """Sizes of a small model.

    Attributes:
        image_size: S, side of the detector's input in pixels; also the VLM's (max_pixels = S * S).
        patch_size: detector patch in pixels; S must be a multiple.
        detector_width: C; detector_vision_layers, detector_layers: depth of its ViT, and of DETR encoder and decoder.
        mask_stages: how often the mask grid is doubled above the detector's token grid.
        vlm_patch: VLM patch in pixels (merged 2 x 2); vlm_width: D.
        vision_layers, text_layers: depth of the VLM's towers.
        heads: attention heads everywhere.
        num_queries: Q.
        use_presence: keep SAM3's presence token.
        tie_embeddings: share the token table with the head that writes text.
        embedding_std: of fresh token embeddings and instance queries. The detector reads phrase tokens as bare
            embeddings, so at the usual 0.02 it would not hear the phrase at first.
    """

    image_size: int = 160
    patch_size: int = 10
    detector_width: int = 128
    detector_vision_layers: int = 4
    detector_encoder_layers: int = 2
    detector_layers: int = 3
    mask_stages: int = 1
    vlm_patch: int = 10
    vlm_width: int = 160
    vision_layers: int = 4
    text_layers: int = 6
    heads: int = 4
    num_queries: int = 10
    use_presence: bool = True
    max_instruction_tokens: int = 256
    dropout: float = 0.0
    default_mode: str = "direct"
    tie_embeddings: bool = False
    embedding_std: float = 0.5


RECIPES: dict[str, Recipe] = {
    "default": Recipe(),
    "tiny": Recipe(
        image_size=64, patch_size=8, vlm_patch=8, detector_width=32, detector_vision_layers=1,
        detector_encoder_layers=1, detector_layers=2, vlm_width=32, vision_layers=1, text_layers=2,
        heads=2, num_queries=4,
    ),
}  # fmt: skip


def get_recipe(name: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """A named recipe with some values changed.

    Raises:
        ConfigError: unknown recipe or field.
    """
    if name not in RECIPES:
        raise ConfigError(f"unknown recipe {name!r}; known: {', '.join(RECIPES)}")
    unknown = set(overrides or {}) - {f.name for f in fields(Recipe)}
    if unknown:
        raise ConfigError(
            f"unknown recipe field {', '.join(sorted(unknown))}; see instructsam.model.build.Recipe"
        )
    return replace(RECIPES[name], **(overrides or {}))


def recipe_config(recipe: Recipe, vocab_size: int, token_ids: Mapping[str, int]) -> InstructSAMConfig:
    """The full configuration of a recipe; token ids as in `processing.tokens.TokenIds`."""
    return InstructSAMConfig(
        vlm_config=_vlm_config(recipe, vocab_size, token_ids),
        detector_config=_detector_config(recipe),
        num_queries=recipe.num_queries,
        use_presence=recipe.use_presence,
        token_ids=dict(token_ids),
        min_pixels=recipe.image_size**2 // 2,
        max_pixels=recipe.image_size**2,
        max_instruction_tokens=recipe.max_instruction_tokens,
        default_mode=recipe.default_mode,
        tie_word_embeddings=recipe.tie_embeddings,
    )


def _vlm_config(recipe: Recipe, vocab_size: int, token_ids: Mapping[str, int]) -> dict[str, Any]:
    head = recipe.vlm_width // recipe.heads
    return {
        "text_config": {
            "vocab_size": vocab_size,
            "hidden_size": recipe.vlm_width,
            "intermediate_size": 3 * recipe.vlm_width,
            "num_hidden_layers": recipe.text_layers,
            "num_attention_heads": recipe.heads,
            "num_key_value_heads": recipe.heads,
            "head_dim": head,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": recipe.tie_embeddings,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": _rope_section(head // 2),
                "mrope_interleaved": True,
            },
        },
        "vision_config": {
            "depth": recipe.vision_layers,
            "hidden_size": recipe.vlm_width,
            "intermediate_size": 3 * recipe.vlm_width,
            "num_heads": recipe.heads,
            "patch_size": recipe.vlm_patch,
            "spatial_merge_size": 2,
            "temporal_patch_size": 1,
            "out_hidden_size": recipe.vlm_width,
            "num_position_embeddings": (recipe.image_size // recipe.vlm_patch) ** 2,
            "deepstack_visual_indexes": [recipe.vision_layers // 2],
        },
        "image_token_id": token_ids["image"],
        "video_token_id": token_ids["video"],
        "vision_start_token_id": token_ids["vision_start"],
        "vision_end_token_id": token_ids["vision_end"],
        "tie_word_embeddings": recipe.tie_embeddings,
    }


def _rope_section(half: int) -> list[int]:
    """Half a head's rotary dimensions, shared over time, height and width."""
    side = half // 3
    return [half - 2 * side, side, side]


def _detector_config(recipe: Recipe) -> dict[str, Any]:
    width, grid = recipe.detector_width, recipe.image_size // recipe.patch_size
    if grid * recipe.patch_size != recipe.image_size:
        raise ConfigError(
            f"image_size {recipe.image_size} is not a multiple of patch_size {recipe.patch_size}"
        )
    scales = [float(2**stage) for stage in range(recipe.mask_stages, -1, -1)]
    common = {
        "hidden_size": width,
        "num_attention_heads": recipe.heads,
        "intermediate_size": 3 * width,
        "dropout": recipe.dropout,
    }
    return {
        "vision_config": {
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": width,
                "intermediate_size": 3 * width,
                "num_hidden_layers": recipe.detector_vision_layers,
                "num_attention_heads": recipe.heads,
                "image_size": recipe.image_size,
                "patch_size": recipe.patch_size,
                "window_size": grid,
                "global_attn_indexes": list(range(recipe.detector_vision_layers)),
                "pretrain_image_size": recipe.image_size,
            },
            "fpn_hidden_size": width,
            "backbone_feature_sizes": [[int(grid * s), int(grid * s)] for s in scales],
            "scale_factors": [*scales, 0.5],
        },
        "detr_encoder_config": {**common, "num_layers": recipe.detector_encoder_layers},
        "detr_decoder_config": {
            **common,
            "num_layers": recipe.detector_layers,
            "num_queries": recipe.num_queries,
        },
        "mask_decoder_config": {
            "hidden_size": width,
            "num_attention_heads": recipe.heads,
            "num_upsampling_stages": recipe.mask_stages,
        },
    }


def build_model(config: InstructSAMConfig, attn_implementation: str = "sdpa") -> InstructSAMModel:
    """A fresh model with stock initialisation, but distinct slots: reference boxes are spread over the image."""
    model: InstructSAMModel = InstructSAMModel._from_config(
        config, attn_implementation=attn_implementation, dtype=torch.float32
    )
    with torch.no_grad():
        model.detector.detr_decoder.reference_points.weight.copy_(spread_boxes(config.num_queries).logit())
    return model


def build_small(config: InstructSAMConfig, embedding_std: float) -> InstructSAMModel:
    """A fresh small model that hears and sees from the first step.

    Stock initialisation, N(0, .02), is made for widths of a thousand and more; at a width of 128 every layer would
    pass on a fifth of its input. Here linear and convolution weights keep the size of what flows through
    (Xavier), as DETR initialises its own; the last layers that move boxes and attention biases stay near zero.
    """
    model = build_model(config)
    decoder = model.detector.detr_decoder
    quiet = {decoder.box_head.layer3, model.lm_head}
    with torch.no_grad():
        for module in model.modules():
            if module in quiet or not isinstance(
                module, (nn.Linear, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)
            ):
                continue
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        nn.init.normal_(model.instance_queries.weight, std=embedding_std)
        nn.init.normal_(model.get_input_embeddings().weight, std=embedding_std)
        vit_positions = model.detector.vision_encoder.backbone.embeddings.position_embeddings
        vit_positions.copy_(sine_table(*vit_positions.shape[1:]))
        vlm_positions = model.vlm.visual.pos_embed.weight
        vlm_positions.copy_(sine_table(*vlm_positions.shape))
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
