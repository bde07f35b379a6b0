"""The folder of a run: checked before anything is loaded, written by one process, resumed with the same settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instructsam.config import dump_config, flat_keys, load_config, to_dict
from instructsam.config.changes import NOT_SET, config_changes
from instructsam.errors import ConfigError
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import write_text
from instructsam.structures.locks import FolderLock
from instructsam.training import checkpointing
from instructsam.training.export import BEST, CHECKPOINTS, LAST, adopt_earlier_layout, restore_export
from instructsam.training.lora import ADAPTER
from instructsam.training.settings import RunConfig
from instructsam.training.validation import log_lines
from instructsam.training.validation_settings import ValidationSettings

CONFIG_FILE = "config.yaml"
LOG_FILE = "log.jsonl"
NOTED = ("schedule.total_steps", "data.images_per_batch", "optim.gradient_accumulation_steps")
# `share` decides which images are trained on.
VALIDATION_MAY_CHANGE = frozenset(ValidationSettings.model_fields) - {"share"}
# Settings that change neither the samples nor the loss, those that split the samples of a step, and the length; the log
# notes changes of the last two groups. `data.on_error` changes samples only where a run would have ended.
MAY_CHANGE = frozenset(
    {
        "name", "output_dir", "device", "threads", "trackers", "data.workers", "data.prefetch", "data.on_error", *NOTED,
        "schedule.max_minutes", "schedule.checkpoint_minutes", "schedule.keep_checkpoints", "schedule.log_seconds",
        "schedule.export_dtype", "schedule.epochs", "distributed", "gradient_checkpointing", "cache_features",
        "cache_gigabytes", "lora.merge_on_export", *(f"validation.{name}" for name in VALIDATION_MAY_CHANGE),
    }
)  # fmt: skip


@contextmanager
def open_run_folder(config: RunConfig, resume: bool) -> Iterator[None]:
    """Claim the folder of a run; inside, no other process writes there.

    Raises:
        ConfigError: the folder holds a run and `resume` is off, no checkpoint and `resume` is on, or a run with other
            settings.
        InputError: the folder cannot be written, or another process is writing there.
    """
    folder = config.folder
    check_run_folder(config, resume)
    if int(os.environ.get("RANK", "0")):  # of several processes the first one writes, and holds the lock
        yield
        return
    prepare_folder(folder, "output_dir")
    with FolderLock(folder):
        check_run_folder(config, resume)  # another process may have written there until now
        adopt_earlier_layout(folder)
        for name in (LAST, BEST, ADAPTER):
            restore_export(folder / name)
        yield


def check_run_folder(config: RunConfig, resume: bool) -> None:
    """The checks of `open_run_folder` that write nothing."""
    folder = config.folder
    latest = checkpointing.latest_checkpoint(folder / CHECKPOINTS)
    if resume and latest is None:
        raise ConfigError(f"{folder / CHECKPOINTS} holds no checkpoint; start without --resume")
    if not resume and latest is not None:
        raise ConfigError(f"{folder} already holds a run; resume it with --resume, or set another output_dir")
    if resume:
        for key, old, new in changed_settings(config):
            if key not in MAY_CHANGE:
                again = f"without {key}" if old == NOT_SET else f"with {key}={old}"
                raise ConfigError(
                    f"{key} was {old} in the run in {folder} and is {new} now: resume {again}, or start another run "
                    "with another output_dir"
                )


def changed_settings(config: RunConfig) -> list[tuple[str, str, str]]:
    """Key, value of the stored run and value now, of every setting that differs; empty without a stored run.

    Values are texts as they stand behind `key=`, or `NOT_SET`.
    """
    return config_changes(stored_settings(config), config)


def is_finished(config: RunConfig) -> bool:
    """Whether the run of these settings has made all its steps, or stopped early."""
    reached = checkpointing.latest_step(config.folder / CHECKPOINTS) or 0
    path, total = config.folder / CONFIG_FILE, config.schedule.total_steps
    if not reached or not path.is_file():
        return reached >= total
    stored = _load_stored(path)
    if config.validation.patience == stored.validation.patience:
        early = [line["step"] for line in log_lines(config.folder / LOG_FILE) if line.get("stopped_early")]
        if reached in early:
            return True
    if config.schedule.epochs is None:
        return reached >= total
    # the stored settings hold the steps that the passes over the data come to
    return config.schedule.epochs == stored.schedule.epochs and reached >= stored.schedule.total_steps


def store_settings(config: RunConfig) -> None:
    """Write `config.yaml`, which a resumed run is compared with."""
    write_text(config.folder / CONFIG_FILE, dump_config(config))


def stored_settings(config: RunConfig) -> RunConfig:
    """The settings that the run in this folder had until now; `config` where none are stored."""
    path = config.folder / CONFIG_FILE
    return _load_stored(path) if path.is_file() else config


def _load_stored(path: Path) -> RunConfig:
    try:
        return load_config(RunConfig, path)
    except ConfigError as error:
        raise ConfigError(
            f"{path.parent} holds a run of another version ({error}): resume it with the version that wrote it, or set "
            "another output_dir"
        ) from error


def flat_settings(config: RunConfig) -> dict[str, Any]:
    """Values by their full key, such as "optim.lr"."""
    return flat_keys(to_dict(config))
