"""`instructsam train CONFIG [CONFIG ...] [key=value ...] [--resume] [--max-minutes M]`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli import console
from instructsam.errors import InputError


def train(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="CONFIG [CONFIG ...] [KEY=VALUE ...]",
            help="A YAML file such as configs/world/default.yaml, or several that are trained after one another; then "
            "changes to all of them, such as optim.lr=1e-3.",
        ),
    ],
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue from the newest checkpoint; finished stages are skipped."),
    ] = False,
    max_minutes: Annotated[
        float, typer.Option("--max-minutes", min=0.0, help="Time box of this command, 0 for none.")
    ] = 0.0,
) -> int:
    """Train a model with the settings of a YAML file, or several stages, one after the other.

    Ctrl-C, SIGTERM and SIGHUP save a checkpoint; the exit code is then 128 + the signal's number.
    """
    from instructsam.config import load_config
    from instructsam.experiments.sources import check_source, open_source
    from instructsam.experiments.validation import check_validation, open_validate
    from instructsam.structures.destinations import check_folder_destination
    from instructsam.training.settings import RunConfig

    if not math.isfinite(max_minutes):
        raise InputError(f"--max-minutes must be a finite number of minutes, got {max_minutes}")
    changes = [word for word in words if "=" in word]
    configs = [Path(word) for word in words if "=" not in word]
    if not configs:
        raise InputError("expected a YAML file such as configs/world/default.yaml before the changes")
    for config in configs:
        if config.suffix not in (".yaml", ".yml"):
            raise InputError(f"expected YAML files and changes like seed=4, got {config}")
        # a wrong key or destination is reported before torch is imported
        stage = load_config(RunConfig, config, changes)
        check_folder_destination(stage.folder, "output_dir")
        check_source(stage.data)
        check_validation(stage)
    from instructsam.training.stopping import TrainingInterrupted, leave_process_group

    try:
        if len(configs) == 1:
            from instructsam.training.trainer import run

            box = [f"schedule.max_minutes={max_minutes:g}"] if max_minutes else []
            folder = run(configs[0], open_source, [*changes, *box], resume, None, open_validate)
        else:
            from instructsam.training.stages import train_stages

            folder = train_stages(configs, open_source, changes, resume, max_minutes, open_validate)
    except TrainingInterrupted as stop:
        leave_process_group()
        console.note(f"instructsam: {stop}")
        return stop.exit_code
    leave_process_group()
    console.say(f"trained model: {folder}")
    return 0
