"""A run folder as a few small files, to resume the run on another machine.

A pack (`pack_files`) holds the newest checkpoint with its random states, the settings, the log, the probes, and the
models in `last/` and `best/`; files that are not safetensors are stored as bytes. Weights keep their precision.
Averaged weights are rounded to float16, as in an exported model, and the optimizer's moments to bfloat16.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from instructsam.errors import CheckpointError, ConfigError, InputError
from instructsam.structures.checks import parse_json
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import file_sha256, reason, write_json
from instructsam.structures.locks import FolderLock
from instructsam.training import checkpointing
from instructsam.training.export import (
    BEST,
    CHECKPOINTS,
    LAST,
    RECORD_FILE,
    link_earlier_name,
    replace_folder,
)
from instructsam.training.pack_files import Pack, check_destination, damaged, packed, read_pack, write_pack
from instructsam.training.probes import PROBES_FILE
from instructsam.training.run_folder import CONFIG_FILE, LOG_FILE

ROUNDED = {"ema.safetensors": torch.float16, "optimizer.safetensors": torch.bfloat16}

_BYTES_KEY = "."  # the tensor of a file that is not safetensors
_STATE = "state.json"
_PATH = re.compile(
    rf"({re.escape(CONFIG_FILE)}|{re.escape(LOG_FILE)}|{re.escape(PROBES_FILE)}"
    rf"|({LAST}|{BEST}|{CHECKPOINTS}/step-\d+)/[\w-][\w.-]*)"
)


def pack_run(run_folder: Path, out: Path, max_megabytes: float = 15.0) -> Pack:
    """Write what a resumed run needs as at most `MOST_FILES` small files; an earlier pack in `out` is replaced.

    Args:
        run_folder: of a run with a checkpoint.
        out: folder of the pack; when it is written, it is complete.
        max_megabytes: largest file, in millions of bytes.

    Raises:
        ConfigError: there is no checkpoint.
        CheckpointError: the newest checkpoint is damaged.
        InputError: the run does not fit into the files, another process is writing there, or `out` holds other files
            or a later step, or cannot be written.
    """
    if latest_step(run_folder) is None:
        raise ConfigError(f"{run_folder / CHECKPOINTS} holds no checkpoint: name the folder of a run")
    with FolderLock(run_folder):
        return pack_own_run(run_folder, out, max_megabytes)


def pack_own_run(run_folder: Path, out: Path, max_megabytes: float = 15.0) -> Pack:
    """`pack_run` by the process that writes in the run folder, which has a checkpoint."""
    latest = checkpointing.latest_checkpoint(run_folder / CHECKPOINTS)
    if latest is None:
        raise ConfigError(f"{run_folder / CHECKPOINTS} holds no checkpoint")
    checkpointing.read_checkpoint(latest)  # verifies its files
    step = checkpointing.read_state(latest)["step"]
    if (earlier := packed(out)) and earlier.step > step:
        raise InputError(_newer(out, earlier.step, run_folder, step))
    tensors, metadata = _packed_tensors(run_folder, _run_files(run_folder, latest))
    return write_pack(out, step, tensors, metadata, max_megabytes)


def unpack_run(pack: Path, run_folder: Path) -> Pack:
    """Make a run folder that `--resume` continues from, out of the files that `pack_run` wrote.

    Args:
        pack: the folder of the files.
        run_folder: to write; it must not exist or be empty.

    Raises:
        CheckpointError: a file of the pack is missing or damaged.
        InputError: `pack` holds no packed run, or the run folder holds files or cannot be written.
    """
    if os.path.exists(run_folder) and not _is_empty(run_folder):
        raise InputError(f"{run_folder} exists and is not empty: choose another folder, or remove it")
    if run_folder.resolve().is_relative_to(pack.resolve()):
        raise InputError(
            f"{run_folder} is in {pack}, which the next pack would replace: choose another folder"
        )
    facts, tensors, metadata = read_pack(pack)
    files, step = _by_file(tensors, pack), facts.step
    checkpoint = f"{CHECKPOINTS}/{checkpointing.checkpoint_folder(Path(), step).name}"
    if f"{checkpoint}/{_STATE}" not in files:
        raise CheckpointError(damaged(pack, f"it holds no checkpoint of step {step}"))
    prepare_folder(run_folder.resolve().parent, "RUN_FOLDER")

    def write(staging: Path) -> None:
        root = staging / CHECKPOINTS
        unfinished = checkpointing.begin_checkpoint(root, step)
        for path, its_tensors in files.items():
            folder, _, name = path.rpartition("/")
            place = unfinished if folder == checkpoint else staging / folder
            place.mkdir(exist_ok=True)
            _write_file(place / name, its_tensors, metadata.get(path))
        before = unfinished / _STATE
        digest, meta = file_sha256(before), parse_json(before.read_bytes(), str(before))["meta"]
        before.unlink()
        finished = checkpointing.finish_checkpoint(root, step, meta, keep=1)
        _update_record(staging / LAST / RECORD_FILE, digest, finished)
        link_earlier_name(staging)

    try:
        replace_folder(run_folder.resolve(), write)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{run_folder}: cannot be written ({reason(error)}): make room or choose another folder"
        ) from error
    return facts


def open_pack(pack: Path, run_folder: Path) -> bool:
    """Unpack a run into its folder where that holds no checkpoint; whether there is a run to resume.

    Raises:
        InputError, CheckpointError: as in `unpack_run`, or the run in the folder is older than the packed one.
    """
    check_destination(pack)
    stored, reached = packed(pack), latest_step(run_folder)
    if stored and reached is None:
        unpack_run(pack, run_folder)
    elif stored and reached is not None and stored.step > reached:
        raise InputError(_newer(pack, stored.step, run_folder, reached))
    return stored is not None or reached is not None


def latest_step(run_folder: Path) -> int | None:
    """The step of a run's newest checkpoint; None where there is none."""
    return checkpointing.latest_step(run_folder / CHECKPOINTS)


def _newer(pack: Path, later: int, run_folder: Path, reached: int) -> str:
    return (
        f"{pack} holds step {later} of the run, later than step {reached} in {run_folder}: remove {run_folder} to "
        f"resume from {pack}, or name another folder for the pack"
    )


def _run_files(run_folder: Path, checkpoint: Path) -> list[Path]:
    """Files of a run that a resumed one reads or keeps; without pictures, trackers' files and older checkpoints."""
    single = [run_folder / name for name in (CONFIG_FILE, LOG_FILE, PROBES_FILE)]
    folders = [checkpoint, run_folder / LAST, run_folder / BEST]
    nested = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    return [path for path in (*single, *nested) if path.is_file() and path.stat().st_size]


def _packed_tensors(run_folder: Path, paths: list[Path]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The files as tensors named `PATH|TENSOR`, and the metadata of safetensors files by path."""
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, Any] = {}
    for path in paths:
        name = path.relative_to(run_folder).as_posix()
        if not _PATH.fullmatch(name):
            continue  # a file that nothing reads
        if path.suffix != ".safetensors":
            tensors[f"{name}|{_BYTES_KEY}"] = torch.frombuffer(
                bytearray(path.read_bytes()), dtype=torch.uint8
            )
            continue
        try:
            with safe_open(path, "pt") as file:
                metadata[name] = file.metadata()
            loaded = load_file(path)
        except SafetensorError as error:
            raise CheckpointError(
                f"{path} cannot be read ({error}): resume the run, which writes it again"
            ) from error
        dtype = ROUNDED.get(path.name) if name.startswith(f"{CHECKPOINTS}/") else None
        tensors.update({f"{name}|{key}": _rounded(tensor, dtype) for key, tensor in loaded.items()})
    return tensors, {name: facts for name, facts in metadata.items() if facts}


def _rounded(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A float32 tensor in a shorter format; counters and values that the format cannot hold stay as they are."""
    if dtype is None or tensor.dtype != torch.float32 or not tensor.ndim:
        return tensor
    short = tensor.to(dtype)
    return short if torch.equal(short.isfinite(), tensor.isfinite()) else tensor


def _by_file(tensors: Mapping[str, Tensor], pack: Path) -> dict[str, dict[str, Tensor]]:
    """Tensors by name, by path in the run folder."""
    files: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        path, _, key = name.partition("|")
        if not _PATH.fullmatch(path):
            raise CheckpointError(damaged(pack, f"a run has no file {path!r}"))
        files.setdefault(path, {})[key] = tensor
    return files


def _write_file(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None) -> None:
    if path.suffix != ".safetensors":
        path.write_bytes(tensors[_BYTES_KEY].numpy().tobytes())
        return
    if path.parent.parent.name == CHECKPOINTS and path.name in ROUNDED:
        tensors = {name: tensor.float() for name, tensor in tensors.items()}
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, path, metadata)


def _update_record(path: Path, digest: str, checkpoint: Path) -> None:
    """Let the model in `last/` belong to the unpacked checkpoint where it belonged to the packed one.

    Args:
        digest: SHA-256 of the packed checkpoint's `state.json`.
    """
    record = parse_json(path.read_bytes(), str(path)) if path.is_file() else None
    if isinstance(record, dict) and record.get("checkpoint") == digest:
        write_json(path, {**record, "checkpoint": file_sha256(checkpoint / _STATE)})


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
