"""Run configuration: a pydantic base class, YAML files and `key=value` overrides."""

from __future__ import annotations

from instructsam.config.base import Config, build_config, dump_config, flat_keys, load_config, to_dict

__all__ = ["Config", "build_config", "dump_config", "flat_keys", "load_config", "to_dict"]
