"""`instructsam doctor`: what is installed here and what is missing."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from instructsam.cli import console
from instructsam.cli.options import JsonOption

CHECKPOINT_FILES = ("config.json", "model.safetensors")


def default_checkpoint() -> Path:
    """The folder of the shipped default."""
    return Path(str(files("instructsam").joinpath("assets/default")))


def doctor(as_json: JsonOption = False) -> int:
    """Print versions, device and what is missing.

    Exit code 1 when torch or the shipped default checkpoint is missing.
    """
    facts, complete = _facts()
    if as_json:
        console.print_json(facts)
    else:
        for name, value in facts.items():
            print(f"{name:<20}{console.printable(value)}")
    return 0 if complete else 1


def _facts() -> tuple[dict[str, Any], bool]:
    from instructsam.evaluation.report import versions

    facts: dict[str, Any] = dict(versions())
    try:
        import torch
    except ImportError as problem:
        facts["torch"] = f"cannot be imported ({problem})"
        usable = False
    else:
        cuda = torch.cuda.is_available()
        facts["device"] = torch.cuda.get_device_name(0) if cuda else "cpu"
        facts["threads"] = torch.get_num_threads()
        usable = True
    facts["cpu cores"] = os.cpu_count()
    folder = default_checkpoint()
    missing = [name for name in CHECKPOINT_FILES if not (folder / name).is_file()]
    facts["default checkpoint"] = f"{folder} lacks {', '.join(missing)}" if missing else str(folder)
    return facts, usable and not missing
