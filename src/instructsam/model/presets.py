"""Recipes: a small model from a few numbers.

Classes take plain arguments; this builder flattens a small recipe into the two stock configurations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from instructsam.config import Config, build_config, to_dict
from instructsam.errors import ConfigError
from instructsam.model.configuration import InstructSAMConfig
from instructsam.model.detector.base import DetectorSizes
from instructsam.model.detector.registry import DEFAULT, DETECTORS
from instructsam.structures.checks import check_choices
from instructsam.structures.forms import InstanceForm, QueryAttention

MOST_CELLS = 512  # a side, of a vision encoder


class Recipe(Config):
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
        detector: a line of `model.detector.registry`.
        use_presence: keep the detector's presence token.
        tie_embeddings: share the token table with the head that writes text.
        embedding_std: of fresh token embeddings. The detector reads phrase tokens as bare embeddings, so at the usual
            0.02 it would not hear the phrase at first.
        query_std: of fresh instance queries; 0 makes them all alike.
        spread_slots: spread the slots' first boxes over the image; False starts them all near its middle.
        query_attention, projectors, slot_boxes, instance_form: as in `InstructSAMConfig`; for ablations.
    """

    image_size: int = Field(default=160, ge=16, le=8192)
    patch_size: int = Field(default=10, ge=1, le=1024)
    detector_width: int = Field(default=128, ge=8, le=16_384)
    detector_vision_layers: int = Field(default=4, ge=1, le=256)
    detector_encoder_layers: int = Field(default=2, ge=1, le=256)
    detector_layers: int = Field(default=3, ge=1, le=256)
    mask_stages: int = Field(default=1, ge=0, le=2)  # what a detector's neck can double
    vlm_patch: int = Field(default=10, ge=1, le=1024)
    vlm_width: int = Field(default=160, ge=8, le=16_384)
    vision_layers: int = Field(default=4, ge=1, le=256)
    text_layers: int = Field(default=6, ge=1, le=256)
    heads: int = Field(default=4, ge=1, le=256)
    num_queries: int = Field(default=10, ge=1, le=1000)
    detector: str = DEFAULT
    use_presence: bool = True
    max_instruction_tokens: int = Field(default=256, ge=1, le=4096)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    default_mode: Literal["generate", "direct"] = "direct"
    tie_embeddings: bool = False
    embedding_std: float = Field(default=0.5, ge=0, le=100)
    query_std: float = Field(default=0.5, ge=0, le=100)
    spread_slots: bool = True
    query_attention: QueryAttention = "hybrid"
    projectors: bool = True
    slot_boxes: bool = False
    instance_form: InstanceForm = "queries"

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        check_choices("detector", (self.detector,), tuple(DETECTORS))
        size = self.image_size
        if size % self.patch_size:
            raise ConfigError(f"image_size must be a multiple of patch_size ({self.patch_size}), got {size}")
        for name, fewest in (("patch_size", 2), ("vlm_patch", 1)):
            cells = size // getattr(self, name)
            if not fewest <= cells <= MOST_CELLS:
                raise ConfigError(
                    f"{name} must divide image_size ({size}) into {fewest} to {MOST_CELLS} cells a side, got "
                    f"{getattr(self, name)}, which makes {cells}"
                )
        # rotary positions turn pairs of channels along two axes, group norm takes channels in eights
        for name, unit in (("detector_width", math.lcm(8, 4 * self.heads)), ("vlm_width", 4 * self.heads)):
            if getattr(self, name) % unit:
                raise ConfigError(
                    f"{name} must be a multiple of {unit} with heads {self.heads}, got {getattr(self, name)}"
                )
        return self


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
        ConfigError: unknown recipe or field, a value of the wrong type, or sizes that do not fit each other.
    """
    if name not in RECIPES:
        raise ConfigError(f"model.preset must be one of {', '.join(RECIPES)}, got {name!r}")
    return build_config(Recipe, {**to_dict(RECIPES[name]), **(overrides or {})}, prefix="model.overrides.")


def recipe_config(recipe: Recipe, vocab_size: int, token_ids: Mapping[str, int]) -> InstructSAMConfig:
    """The full configuration of a recipe; token ids as in `processing.tokens.TokenIds`."""
    return InstructSAMConfig(
        vlm_config=_vlm_config(recipe, vocab_size, token_ids),
        detector_config={"model_type": recipe.detector, **_detector_config(recipe)},
        num_queries=recipe.num_queries,
        use_presence=recipe.use_presence,
        token_ids=dict(token_ids),
        min_pixels=recipe.image_size**2 // 2,
        max_pixels=recipe.image_size**2,
        max_instruction_tokens=recipe.max_instruction_tokens,
        default_mode=recipe.default_mode,
        tie_word_embeddings=recipe.tie_embeddings,
        query_attention=recipe.query_attention,
        projectors=recipe.projectors,
        slot_boxes=recipe.slot_boxes,
        instance_form=recipe.instance_form,
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
    sizes = DetectorSizes(
        image_size=recipe.image_size,
        patch_size=recipe.patch_size,
        width=recipe.detector_width,
        vision_layers=recipe.detector_vision_layers,
        encoder_layers=recipe.detector_encoder_layers,
        layers=recipe.detector_layers,
        mask_stages=recipe.mask_stages,
        heads=recipe.heads,
        dropout=recipe.dropout,
        num_queries=recipe.num_queries,
    )
    return DETECTORS[recipe.detector].small_config(sizes)
