"""A recipe: several stages after one another, each a YAML of its own, in time boxes that one command fills.

`instructsam train eyes.yaml phrases.yaml all.yaml --resume --max-minutes 9` goes on wherever the last such command
stopped, and does nothing once every stage is done; so a machine that is lent for minutes at a time trains a model too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import distributed as dist

from instructsam.config import load_config
from instructsam.errors import ConfigError
from instructsam.training.checkpointing import latest_step
from instructsam.training.settings import RunConfig
from instructsam.training.trainer import run

LEAST_MINUTES = 0.2  # a shorter rest of the time box, after another stage, would go into loading


def run_recipe(
    configs: Sequence[str | Path],
    overrides: Sequence[str] = (),
    resume: bool = False,
    max_minutes: float = 0.0,
) -> Path:
    """Train the stages in order and return the folder of the last model that was trained.

    Args:
        configs: one YAML per stage.
        overrides: `key=value` pairs for every stage.
        resume: go on from what earlier commands left: finished stages are passed over. Without it every stage must
            be new.
        max_minutes: time box of this command over all stages, 0 for none.

    Raises:
        ConfigError: a configuration is wrong, or two stages would write into one folder; see also `trainer.run`.
    """
    stages = [load_config(RunConfig, config, overrides) for config in configs]
    folders = [stage.folder for stage in stages]
    for folder in folders:
        if folders.count(folder) > 1:
            raise ConfigError(f"several stages would write into {folder}; give each its own name")
    deadline = time.monotonic() + 60 * max_minutes
    model, trained = folders[0] / "model", False
    for config, stage in zip(configs, stages, strict=True):
        reached = latest_step(stage.folder / "checkpoints")
        if resume and reached is not None and reached >= stage.schedule.total_steps:
            model = stage.folder / "model"
            continue
        left = _least_of_all((deadline - time.monotonic()) / 60)
        if max_minutes and trained and left < LEAST_MINUTES:
            break
        box = [f"schedule.max_minutes={max(left, 0.001):.3f}"] if max_minutes else []
        model, trained = run(config, [*overrides, *box], resume and reached is not None), True
        if (latest_step(stage.folder / "checkpoints") or 0) < stage.schedule.total_steps:
            break
    return model


def _least_of_all(minutes: float) -> float:
    """The smallest of all processes: were one to stop and another to go on, the other would wait for ever."""
    if not (dist.is_available() and dist.is_initialized()):
        return minutes  # before the first stage; then no process stops
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    least = torch.tensor(minutes, dtype=torch.float64, device=device)
    dist.all_reduce(least, dist.ReduceOp.MIN)
    return float(least)
