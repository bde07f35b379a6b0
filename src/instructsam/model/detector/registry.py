"""The detectors that a model can be built with: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig

from instructsam.model.detector.base import Detector
from instructsam.model.detector.sam3 import Sam3Detector
from instructsam.model.parts import part_class, part_config

DEFAULT = Sam3Detector.model_type
DETECTORS: dict[str, type[Detector]] = {
    Sam3Detector.model_type: Sam3Detector,
}


def detector_class(model_type: str) -> type[Detector]:
    """The detector with this `model_type`.

    Raises:
        ConfigError: there is none.
    """
    return part_class(DETECTORS, "detector_config", model_type)


def detector_config(fields: Mapping[str, Any] | PreTrainedConfig | None) -> PreTrainedConfig:
    """The configuration of a detector; without a `model_type` that of the published model's.

    Raises:
        ConfigError: `model_type` names no detector.
    """
    return part_config(DETECTORS, "detector_config", DEFAULT, fields)
