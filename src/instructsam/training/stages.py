"""Several stages after one another, each with a YAML file of its own, in time boxes that one command fills.

`instructsam train vision.yaml phrases.yaml all.yaml --resume --max-minutes 9` resumes where the last such command
stopped, and does nothing once every stage is done: a machine that is available for minutes at a time is enough.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import distributed as dist

from instructsam.config import load_config
from instructsam.errors import ConfigError
from instructsam.structures.destinations import check_folder_destination
from instructsam.training.checkpointing import latest_step
from instructsam.training.export import CHECKPOINTS, LAST, export_is_current
from instructsam.training.run_folder import MAY_CHANGE, changed_settings, check_run_folder, is_finished
from instructsam.training.run_source import OpenSource
from instructsam.training.settings import RunConfig
from instructsam.training.start import check_start
from instructsam.training.trackers import check_trackers
from instructsam.training.trainer import run
from instructsam.training.validation import OpenValidate

LEAST_MINUTES = 0.2  # less time than this after another stage would be spent on loading


def train_stages(
    configs: Sequence[str | Path],
    open_source: OpenSource,
    overrides: Sequence[str] = (),
    resume: bool = False,
    max_minutes: float = 0.0,
    open_validate: OpenValidate | None = None,
) -> Path:
    """Train the stages in order and return the folder of the last model that was trained.

    Every stage is checked before the first one starts, as far as its configuration and folder tell.

    Args:
        configs: one YAML per stage.
        open_source: opens the source of training samples that a configuration names.
        overrides: `key=value` pairs for every stage.
        resume: continue from what earlier commands left: finished stages are skipped. Without it every stage
            must be new.
        max_minutes: time box of this command over all stages, 0 for none.
        open_validate: opens the validation that a configuration describes; see `trainer.run`.

    Raises:
        ConfigError: a configuration is wrong, or two stages would write into one folder; see also `trainer.run`.
    """
    stages = [load_config(RunConfig, config, overrides) for config in configs]
    folders = [stage.folder for stage in stages]
    for folder in folders:
        if folders.count(folder) > 1:
            raise ConfigError(f"several stages would write into {folder}; give each its own name")
    for number, stage in enumerate(stages):
        _check(stage, resume, [folder / LAST for folder in folders[:number]])
    deadline = time.monotonic() + 60 * max_minutes
    model, trained = folders[0] / LAST, False
    for config, stage in zip(configs, stages, strict=True):
        reached = latest_step(stage.folder / CHECKPOINTS)
        if resume and is_finished(stage) and export_is_current(stage.folder):
            model = stage.folder / LAST
            continue
        left = _least_of_all((deadline - time.monotonic()) / 60)
        if max_minutes and trained and left < LEAST_MINUTES:
            break
        box = [f"schedule.max_minutes={max(left, 0.001):.3f}"] if max_minutes else []
        again = resume and reached is not None
        model = run(config, open_source, [*overrides, *box], again, None, open_validate)
        trained = True
        if not is_finished(stage):
            break
    return model


def _check(stage: RunConfig, resume: bool, made_before: list[Path]) -> None:
    """Refuse a stage before any work; of a finished one only note where its settings were others."""
    if resume and is_finished(stage):
        others = [f"{key} {old}" for key, old, _ in changed_settings(stage) if key not in MAY_CHANGE]
        if others and int(os.environ.get("RANK", "0")) == 0:
            note = f"{stage.folder} is finished and stays as it is, with {', '.join(others)}"
            print(note, file=sys.stderr, flush=True)
        return
    check_run_folder(stage, resume and latest_step(stage.folder / CHECKPOINTS) is not None)
    check_folder_destination(stage.folder, "output_dir")
    check_start(stage, made_before)
    check_trackers(stage)


def _least_of_all(minutes: float) -> float:
    """The smallest of all processes: if only some of them stopped, the others would wait permanently."""
    if not (dist.is_available() and dist.is_initialized()):
        return minutes  # before the first stage; then no process stops
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    least = torch.tensor(minutes, dtype=torch.float64, device=device)
    dist.all_reduce(least, dist.ReduceOp.MIN)
    return float(least)
