"""Export of the trained model as a folder that `instructsam.load` opens, with a record of its checkpoint.

Checkpoint and export are two folders, so a kill may fall between them. The export therefore records its checkpoint,
and whoever continues a run or starts from its model compares the two.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instructsam.checkpoints.quiet import quiet_transformers
from instructsam.errors import ConfigError, InputError
from instructsam.model.instructsam import InstructSAMModel
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.structures.checks import parse_json
from instructsam.structures.files import finish_tree, sync_folder
from instructsam.training.checkpointing import is_record_of, latest_checkpoint
from instructsam.training.part_settings import PARTS

LAST = "last"  # the export's name in a run's folder
EARLIER = "model"  # its name in earlier versions, which remains as a link
BEST = "best"  # the export with the best validation score
CHECKPOINTS = "checkpoints"
RECORD_FILE = "training.json"
EARLIER_PARTS = {"vision": ("vlm_vision", "detector_vision")}  # as earlier versions named them


def export_model(
    folder: Path,
    model: InstructSAMModel,
    processor: InstructSAMProcessor,
    state: dict[str, Tensor],
    dtype: torch.dtype,
    record: dict[str, Any],
) -> Path:
    """Write model and processor to `folder`, replacing what was there only when everything is written.

    Args:
        state: the weights to write, a state dict of `model`; averaged weights, usually.
        dtype: number format of floating-point weights.
        record: of the checkpoint with these weights, `checkpoint_record`.
    """
    cast: dict[int, Tensor] = {}  # tied names share one tensor, which is then stored once
    for tensor in state.values():
        if id(tensor) not in cast:
            to = dtype if tensor.is_floating_point() else tensor.dtype
            cast[id(tensor)] = tensor.detach().to("cpu", to).contiguous()
    tensors = {name: cast[id(tensor)] for name, tensor in state.items()}

    def write(staging: Path) -> None:
        with quiet_transformers():
            model.save_pretrained(staging, state_dict=tensors)
        processor.save_pretrained(staging)

    return export_folder(folder, write, record)


def export_folder(folder: Path, write: Callable[[Path], None], record: dict[str, Any]) -> Path:
    """Let `write` fill a folder, which replaces `folder` only when everything is written; `record` is stored in it."""

    def write_with_record(staging: Path) -> None:
        write(staging)
        (staging / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    return replace_folder(folder, write_with_record)


def replace_folder(folder: Path, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a folder, which replaces `folder` only when everything is written and on the disk."""
    staging = _staging(folder)
    discard_export(folder)
    staging.mkdir(parents=True)
    write(staging)
    finish_tree(staging)
    return publish(staging, folder)


def publish(finished: Path, folder: Path) -> Path:
    """Rename a finished export to its place; what was there is removed afterwards, so one of them is always there."""
    old = _old(folder)
    if folder.exists():
        os.replace(folder, old)
    os.replace(finished, folder)
    sync_folder(folder.parent)
    if old.exists():
        shutil.rmtree(old)
    return folder


def discard_export(folder: Path) -> None:
    """Remove the files of a process that was killed, or whose disk was full, while it wrote `folder`."""
    restore_export(folder)
    for left in (_staging(folder), _old(folder)):
        if left.exists():
            shutil.rmtree(left)


def restore_export(folder: Path) -> None:
    """Put the previous export back where a process was killed between two renames."""
    if _old(folder).exists() and not folder.exists():
        os.replace(_old(folder), folder)


def discard_best(run_folder: Path) -> None:
    """Remove the best model of a run that was killed before its first checkpoint; the run that begins has another."""
    best = run_folder / BEST
    discard_export(best)
    if best.exists():
        os.replace(best, _old(best))  # half deleted, it would pass for a model
        shutil.rmtree(_old(best))


def link_earlier_name(run_folder: Path) -> None:
    """Let `model`, the export's name in earlier versions, lead to it where the file system has links."""
    link = run_folder / EARLIER
    if not os.path.lexists(link):
        with suppress(OSError):
            link.symlink_to(LAST, target_is_directory=True)


def adopt_earlier_layout(run_folder: Path) -> None:
    """Rename the export of a run that an earlier version began; drop a copy that was made of its link."""
    earlier = run_folder / EARLIER
    restore_export(earlier)
    if not earlier.is_dir() or earlier.is_symlink() or not (earlier / RECORD_FILE).is_file():
        return
    if (run_folder / LAST).exists():  # a copy of a run folder holds a second export in place of the link
        shutil.rmtree(earlier)
    else:
        os.replace(earlier, run_folder / LAST)


def export_of(folder: Path) -> Path:
    """The folder under its present name, for comparisons."""
    return folder.with_name(LAST) if folder.name == EARLIER else folder


def export_is_current(run_folder: Path) -> bool:
    """Whether a run's `last/` was made from its newest checkpoint."""
    latest = latest_checkpoint(run_folder / CHECKPOINTS)
    return latest is not None and is_record_of(_record(run_folder / LAST), latest)


def trained_parts(model_folder: Path) -> list[str]:
    """Parts (`part_settings.Part`) of a saved model that its runs have trained; all where no run left a record."""
    record = _record(model_folder)
    known = record.get("trained_parts") if isinstance(record, dict) else None
    if known is None:
        return list(PARTS)
    return sorted({part for name in known for part in EARLIER_PARTS.get(name, (name,))})


def require_current(name: str, key: str) -> None:
    """Check that a model to start from is the newest of its run, where the run's checkpoints lie beside it.

    Args:
        name: the folder, or a hub id.
        key: of the configuration: "model.path".

    Raises:
        ConfigError: its run was killed between a checkpoint and the export.
    """
    folder = Path(name)
    latest = latest_checkpoint(folder.parent / CHECKPOINTS) if folder.name in (LAST, EARLIER) else None
    if latest is None:
        return
    record = _record(folder)
    # an export of an earlier version has no record: nothing to compare
    if folder.is_dir() and (record is None or is_record_of(record, latest)):
        return
    raise ConfigError(
        f"{key}: {folder} is older than the last checkpoint of its run ({latest.name}), which was stopped while it "
        f"exported: repeat its command with --resume, which exports again"
    )


def _record(folder: Path) -> Any:
    path = folder / RECORD_FILE
    try:
        return parse_json(path.read_bytes(), str(path))
    except (OSError, InputError):  # missing or damaged: of no known checkpoint
        return None


def _staging(folder: Path) -> Path:
    return folder.with_name(f".writing-{folder.name}")


def _old(folder: Path) -> Path:
    return folder.with_name(f".old-{folder.name}")
