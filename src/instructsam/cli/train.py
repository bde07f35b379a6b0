"""`instructsam train CONFIG [key=value ...] [--resume]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli import console


def train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="A YAML file such as configs/default.yaml.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes, such as optim.lr=1e-3.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
) -> int:
    """Train a model as a YAML file says."""
    from instructsam.config import load_config
    from instructsam.training.settings import RunConfig

    changes = overrides or []
    load_config(RunConfig, config, changes)  # a wrong key is said before torch is imported

    from instructsam.training.trainer import run

    folder = run(config, changes, resume)
    console.say(f"trained model: {folder}")
    return 0
