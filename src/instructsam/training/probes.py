"""Probes of the objectives from run to run: kept beside the exported model, loaded by the run that starts from it.

New probes on trained encoders start with large losses, whose gradients undo what the encoders have learned. So a run
says which parts it has trained, and one that starts from its model lets new probes on those learn faster at first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from instructsam.errors import CheckpointError
from instructsam.structures.files import sync_file, usual_permissions
from instructsam.training.export import trained_parts
from instructsam.training.objectives import Objective

PROBES_FILE = "probes.safetensors"
EARLIER_FILE = "readers.safetensors"  # what earlier versions wrote: the probes of dense_classes alone


def save_probes(state: dict[str, Tensor], run_folder: Path) -> None:
    """Write the state dict of all objectives beside a run's exported model."""
    if not state:
        return
    unfinished = run_folder / f".writing-{PROBES_FILE}"
    save_file(state, unfinished)
    usual_permissions(unfinished)
    sync_file(unfinished)
    os.replace(unfinished, run_folder / PROBES_FILE)


def load_probes(objectives: nn.ModuleDict, model_folder: Path) -> list[str]:
    """Load the probes of the run that made `model_folder`.

    Returns:
        The objectives whose probes that run did not train; they keep their random initialization.

    Raises:
        CheckpointError: the file is damaged or belongs to a model of other sizes.
    """
    path = model_folder.parent / PROBES_FILE
    earlier = path.with_name(EARLIER_FILE)
    start = ""
    if not path.is_file() and earlier.is_file():
        path, start = earlier, "dense_classes."
    with_probes = {name: module for name, module in objectives.items() if module.state_dict()}
    if not path.is_file():
        return list(with_probes)
    new = []
    try:
        tensors = {start + name: tensor for name, tensor in load_file(path).items()}
        for name, module in with_probes.items():
            start = f"{name}."
            own = {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}
            if own:
                module.load_state_dict(own)
            else:
                new.append(name)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit this model or is damaged: remove it to start with new probes"
        ) from error
    return new


def new_on_trained_parts(objectives: nn.ModuleDict, new: Sequence[str], start: Path) -> list[str]:
    """Those of the new probes that take features of a part that the model to start from has trained."""
    parts = set(trained_parts(start))
    return [name for name in new if not parts.isdisjoint(cast(Objective, objectives[name]).probes)]
