"""Writing the trained model as a folder that `instructsam.load` opens."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from transformers.utils import logging

from instructsam.model.instructsam import InstructSAMModel
from instructsam.processing.processor import InstructSAMProcessor


def export_model(
    folder: Path,
    model: InstructSAMModel,
    processor: InstructSAMProcessor,
    state: dict[str, Tensor],
    dtype: torch.dtype,
) -> Path:
    """Write model and processor to `folder`, replacing what was there only when everything is written.

    Args:
        state: the weights to write, a state dict of `model`; averaged weights, usually.
        dtype: number format of floating-point weights.
    """
    fresh = folder.with_name(f".writing-{folder.name}")
    if fresh.exists():
        shutil.rmtree(fresh)
    cast: dict[int, Tensor] = {}  # tied names share one tensor, which is then stored once
    for tensor in state.values():
        if id(tensor) not in cast:
            to = dtype if tensor.is_floating_point() else tensor.dtype
            cast[id(tensor)] = tensor.detach().to("cpu", to).contiguous()
    tensors = {name: cast[id(tensor)] for name, tensor in state.items()}
    with _no_progress_bar():
        model.save_pretrained(fresh, state_dict=tensors)
    processor.save_pretrained(fresh)
    old = folder.with_name(f".old-{folder.name}")
    if old.exists():
        shutil.rmtree(old)
    if folder.exists():
        os.replace(folder, old)
    os.replace(fresh, folder)
    if old.exists():
        shutil.rmtree(old)
    return folder


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Saving one small file needs no bar between the run's own lines."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
