"""Parts of a model by their `model_type`: the lookup that the registries of VLMs and detectors share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from transformers import PreTrainedConfig

from instructsam.errors import ConfigError

PartT = TypeVar("PartT")


def part_class(registry: Mapping[str, type[PartT]], field: str, model_type: str) -> type[PartT]:
    """The entry of a registry; `field` names the configuration that holds the `model_type`.

    Raises:
        ConfigError: there is none.
    """
    found = registry.get(model_type)
    if found is None:
        raise ConfigError(f"{field}.model_type must be one of {', '.join(registry)}, got {model_type!r}")
    return found


def part_config(
    registry: Mapping[str, Any],
    field: str,
    default: str,
    fields: Mapping[str, Any] | PreTrainedConfig | None,
) -> PreTrainedConfig:
    """The configuration of a part; without a `model_type` that of `default`.

    Raises:
        ConfigError: `model_type` is not in the registry.
    """
    if isinstance(fields, PreTrainedConfig):
        return fields
    values = dict(fields or {})
    config: PreTrainedConfig = part_class(
        registry, field, str(values.get("model_type", default))
    ).config_class(**values)
    return config
