"""The detectors that a model can be built with: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig

from instructsam.errors import ConfigError
from instructsam.model.detector.base import Detector
from instructsam.model.detector.sam3 import Sam3Detector

DEFAULT = Sam3Detector.model_type
DETECTORS: dict[str, type[Detector]] = {
    Sam3Detector.model_type: Sam3Detector,
}


def detector_class(model_type: str) -> type[Detector]:
    """The detector with this `model_type`.

    Raises:
        ConfigError: there is none.
    """
    found = DETECTORS.get(model_type)
    if found is None:
        raise ConfigError(
            f"detector_config.model_type must be one of {', '.join(DETECTORS)}, got {model_type!r}"
        )
    return found


def detector_config(fields: Mapping[str, Any] | PreTrainedConfig | None) -> PreTrainedConfig:
    """The configuration of a detector; without a `model_type` that of the published model's.

    Raises:
        ConfigError: `model_type` names no detector.
    """
    if isinstance(fields, PreTrainedConfig):
        return fields
    values = dict(fields or {})
    return detector_class(str(values.get("model_type", DEFAULT))).config_class(**values)
