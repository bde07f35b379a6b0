"""Experiment trackers, by accelerate: the numbers of log.jsonl, also for TensorBoard or Weights & Biases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from accelerate import Accelerator

from instructsam.errors import ConfigError
from instructsam.training.run_folder import flat_settings
from instructsam.training.settings import RunConfig


def check_trackers(config: RunConfig) -> None:
    """Refuse a tracker that is not installed: accelerate would only leave it out.

    Raises:
        ConfigError: with the command that installs it.
    """
    for name in config.trackers:
        if find_spec(name) is None:
            command = "pip install 'instructsam[track]'" if name == "tensorboard" else f"pip install {name}"
            raise ConfigError(f"trackers: {name} is not installed: run {command}, or remove it from trackers")


@contextmanager
def start_trackers(accelerator: Accelerator, config: RunConfig) -> Iterator[None]:
    """Inside, `accelerator.log` writes to the configured trackers."""
    if not config.trackers:
        yield
        return
    accelerator.init_trackers(config.name, flat_settings(config))
    try:
        yield
    finally:
        for tracker in accelerator.trackers:  # `end_training` would also end the process group
            tracker.finish()
