"""The sample source of a run: how it is opened, and that a resumed run has the same one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from instructsam.data.sources import SampleSource
from instructsam.errors import ConfigError
from instructsam.training.data_settings import DataSettings
from instructsam.training.settings import RunConfig

OpenSource = Callable[[DataSettings, int, int], SampleSource]
"""Opens the source of a run: its data settings, seed, and the samples that all processes draw in one step."""


def open_run_source(config: RunConfig, open_source: OpenSource) -> SampleSource:
    """The source that a run draws from, for all its processes together."""
    batches = int(os.environ.get("WORLD_SIZE", "1")) * config.optim.gradient_accumulation_steps
    return open_source(config.data, config.seed, config.data.images_per_batch * batches)


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
