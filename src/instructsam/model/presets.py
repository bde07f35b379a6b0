"""Size presets: the configuration of a small model from a few numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from instructsam.config import Config, build_config, to_dict
from instructsam.errors import ConfigError
from instructsam.model.configuration import InstructSAMConfig
from instructsam.model.detector.base import DetectorSizes
from instructsam.model.detector.registry import DEFAULT as DEFAULT_DETECTOR
from instructsam.model.detector.registry import DETECTORS
from instructsam.model.variants.registry import METHOD_VALUES, variant
from instructsam.model.vlm.base import VLMSizes
from instructsam.model.vlm.registry import DEFAULT as DEFAULT_VLM
from instructsam.model.vlm.registry import VLMS
from instructsam.structures.checks import check_choices

MOST_CELLS = 512  # a side, of a vision encoder


class SizePreset(Config):
    """Sizes of a small model.

    Attributes:
        image_size: S, side of the detector's input in pixels; also the VLM's (max_pixels = S * S).
        patch_size: detector patch in pixels; S must be a multiple.
        detector_width: C; detector_vision_layers, detector_layers: depth of its ViT, and of DETR encoder and decoder.
        mask_stages: how often the mask grid is doubled above the detector's token grid.
        vlm_patch: VLM patch in pixels (merged 2 x 2); vlm_width: D.
        vision_layers, text_layers: depth of the VLM's vision encoder and language model.
        heads: attention heads everywhere.
        num_queries: Q.
        vlm, detector: lines of `model.vlm.registry` and `model.detector.registry`.
        use_presence: keep the detector's presence token.
        tie_embeddings: share the token table with the head that writes text.
        embedding_std: of new token embeddings. The detector's text input is the bare embeddings of phrase tokens: at
            the usual 0.02 it would be close to zero at first.
        query_std: of new instance queries; 0 makes them identical.
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
    vlm: str = DEFAULT_VLM
    detector: str = DEFAULT_DETECTOR
    use_presence: bool = True
    max_instruction_tokens: int = Field(default=256, ge=1, le=4096)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    default_mode: Literal["generate", "direct"] = "direct"
    tie_embeddings: bool = False
    embedding_std: float = Field(default=0.5, ge=0, le=100)
    query_std: float = Field(default=0.5, ge=0, le=100)
    spread_slots: bool = True
    query_attention: str = "hybrid"
    projectors: bool = True
    slot_boxes: bool = False
    instance_form: str = "queries"

    @model_validator(mode="after")
    def _check(self) -> SizePreset:
        check_choices("vlm", (self.vlm,), tuple(VLMS))
        check_choices("detector", (self.detector,), tuple(DETECTORS))
        for field in METHOD_VALUES:
            variant(field, getattr(self, field))
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


PRESETS: dict[str, SizePreset] = {
    "default": SizePreset(),
    "tiny": SizePreset(
        image_size=64, patch_size=8, vlm_patch=8, detector_width=32, detector_vision_layers=1,
        detector_encoder_layers=1, detector_layers=2, vlm_width=32, vision_layers=1, text_layers=2,
        heads=2, num_queries=4,
    ),
}  # fmt: skip


def get_preset(name: str, overrides: Mapping[str, Any] | None = None) -> SizePreset:
    """A named preset with some values changed.

    Raises:
        ConfigError: unknown preset or field, a value of the wrong type, or sizes that do not fit each other.
    """
    if name not in PRESETS:
        raise ConfigError(f"model.preset must be one of {', '.join(PRESETS)}, got {name!r}")
    return build_config(
        SizePreset, {**to_dict(PRESETS[name]), **(overrides or {})}, prefix="model.overrides."
    )


def preset_config(preset: SizePreset, vocab_size: int, token_ids: Mapping[str, int]) -> InstructSAMConfig:
    """The full configuration of a preset; token ids as in `processing.tokens.TokenIds`."""
    return InstructSAMConfig(
        vlm_config={"model_type": preset.vlm, **_vlm_config(preset, vocab_size, token_ids)},
        detector_config={"model_type": preset.detector, **_detector_config(preset)},
        num_queries=preset.num_queries,
        use_presence=preset.use_presence,
        token_ids=dict(token_ids),
        min_pixels=preset.image_size**2 // 2,
        max_pixels=preset.image_size**2,
        max_instruction_tokens=preset.max_instruction_tokens,
        default_mode=preset.default_mode,
        tie_word_embeddings=preset.tie_embeddings,
        query_attention=preset.query_attention,
        projectors=preset.projectors,
        slot_boxes=preset.slot_boxes,
        instance_form=preset.instance_form,
    )


def _vlm_config(preset: SizePreset, vocab_size: int, token_ids: Mapping[str, int]) -> dict[str, Any]:
    sizes = VLMSizes(
        image_size=preset.image_size,
        patch_size=preset.vlm_patch,
        width=preset.vlm_width,
        vision_layers=preset.vision_layers,
        text_layers=preset.text_layers,
        heads=preset.heads,
        tie_embeddings=preset.tie_embeddings,
        vocab_size=vocab_size,
        token_ids=token_ids,
    )
    return VLMS[preset.vlm].small_config(sizes)


def _detector_config(preset: SizePreset) -> dict[str, Any]:
    sizes = DetectorSizes(
        image_size=preset.image_size,
        patch_size=preset.patch_size,
        width=preset.detector_width,
        vision_layers=preset.detector_vision_layers,
        encoder_layers=preset.detector_encoder_layers,
        layers=preset.detector_layers,
        mask_stages=preset.mask_stages,
        heads=preset.heads,
        dropout=preset.dropout,
        num_queries=preset.num_queries,
    )
    return DETECTORS[preset.detector].small_config(sizes)
