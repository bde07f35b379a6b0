"""The VLM families that a model can be built with: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig

from instructsam.model.parts import part_class, part_config
from instructsam.model.vlm.base import VLM
from instructsam.model.vlm.qwen3_vl import Qwen3VL
from instructsam.model.vlm.smolvlm import SmolVLM

DEFAULT = Qwen3VL.model_type
VLMS: dict[str, type[VLM]] = {
    Qwen3VL.model_type: Qwen3VL,
    SmolVLM.model_type: SmolVLM,
}


def vlm_class(model_type: str) -> type[VLM]:
    """The VLM family with this `model_type`.

    Raises:
        ConfigError: there is none.
    """
    return part_class(VLMS, "vlm_config", model_type)


def vlm_config(fields: Mapping[str, Any] | PreTrainedConfig | None) -> PreTrainedConfig:
    """The configuration of a VLM; without a `model_type` that of the published model's family.

    Raises:
        ConfigError: `model_type` names no family.
    """
    return part_config(VLMS, "vlm_config", DEFAULT, fields)
