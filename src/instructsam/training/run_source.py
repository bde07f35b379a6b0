"""The sample source of a run: how it is opened, and that a resumed run has the same one."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from instructsam.data.sources import SampleSource, pass_length
from instructsam.errors import ConfigError
from instructsam.training.data_settings import DataSettings
from instructsam.training.settings import RunConfig

OpenSource = Callable[[DataSettings, int, int, float], SampleSource]
"""Opens the source of a run: its data settings, seed, the samples that all processes draw in one step, and the share of
images that is held out for validation."""


def open_run_source(config: RunConfig, open_source: OpenSource) -> SampleSource:
    """The source that a run draws from, for all its processes together."""
    return open_source(config.data, config.seed, images_per_update(config), config.validation.share)


def images_per_update(config: RunConfig) -> int:
    """Samples that all processes draw for one update."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return processes * config.optim.gradient_accumulation_steps * config.data.images_per_batch


def with_length(config: RunConfig, source: SampleSource) -> RunConfig:
    """The configuration with its length in steps, where it is given in passes over the source.

    Raises:
        ConfigError: the source has no end, so it has no passes.
    """
    length = pass_length(source)
    schedule, validation = config.schedule, config.validation
    if schedule.epochs is not None:
        if length is None:
            raise ConfigError(
                f"schedule.epochs counts passes over the data, and {source.name} has no end: set schedule.total_steps"
            )
        steps = max(1, math.ceil(schedule.epochs * length / images_per_update(config)))
        schedule = schedule.model_copy(update={"total_steps": steps})
    if validation.every_epochs and length is not None:
        every = max(1, math.ceil(validation.every_epochs * length / images_per_update(config)))
        validation = validation.model_copy(update={"every_steps": every, "every_epochs": 0.0})
    resolved: RunConfig = config.model_copy(update={"schedule": schedule, "validation": validation})
    return resolved


def source_record(source: SampleSource) -> dict[str, str]:
    """For the checkpoint; see `check_same_source`."""
    return {"name": source.name, "fingerprint": source.fingerprint}


def check_same_source(meta: Mapping[str, Any], source: SampleSource, folder: Path) -> None:
    """Check that a checkpoint was trained on the samples that the source holds now.

    Raises:
        ConfigError: they are others.
    """
    record = meta["source"]
    if record["fingerprint"] != source.fingerprint:
        raise ConfigError(
            f"{folder} was trained on other contents of {record['name']} than are there now: restore them, or start "
            "another run with model.path=... and another output_dir"
        )
