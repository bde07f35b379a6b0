"""Experiment trackers, by accelerate: the numbers of log.jsonl and example pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from instructsam.errors import ConfigError
from instructsam.images.loader import load_image
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


def tracker_settings(config: RunConfig) -> dict[str, bool | int | float | str]:
    """The settings as trackers take them: lists, mappings and null as text."""
    plain = flat_settings(config)
    return {
        key: value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for key, value in plain.items()
    }


@contextmanager
def start_trackers(accelerator: Accelerator, config: RunConfig) -> Iterator[None]:
    """Inside, `accelerator.log` writes to the configured trackers."""
    if not config.trackers:
        yield
        return
    accelerator.init_trackers(config.name, tracker_settings(config))
    try:
        yield
    finally:
        for tracker in accelerator.trackers:  # `end_training` would also end the process group
            tracker.finish()


def log_pictures(accelerator: Accelerator, pictures: Mapping[str, Path], step: int) -> None:
    """Send image files to every tracker that takes images."""
    for tracker in accelerator.trackers:
        for name, path in pictures.items():
            title = f"validation/{name}"
            if tracker.name == "mlflow":
                tracker.log_artifact(str(path), artifact_path=f"validation/step-{step:08d}")
            elif tracker.name == "tensorboard":
                image = np.asarray(load_image(path).image)
                tracker.log_images({title: image[None]}, step=step, dataformats="NHWC")
            elif hasattr(tracker, "log_images"):
                tracker.log_images({title: [load_image(path).image]}, step=step)
