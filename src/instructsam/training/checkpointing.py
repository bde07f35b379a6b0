"""Checkpoints that a run resumes from: safetensors and JSON only, complete or not there at all.

A checkpoint `checkpoints/step-00001200/` holds model, ema and optimizer tensors, one `rng-RANK.json` per process and
`state.json`, which lists every file with its SHA-256. Weights that are frozen are a file that checkpoints share. A
checkpoint gets its name at the end, by a rename, when everything is on the disk; only then older ones are deleted.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from instructsam.errors import CheckpointError, InputError, InstructSAMError
from instructsam.structures.files import file_sha256, finish_tree, reason, sync_folder, write_text
from instructsam.training.random_state import random_state

FORMAT = 2  # 1 was before the objectives had names of their own
FROZEN = "frozen.safetensors"
_NAME = re.compile(r"step-(\d+)$")


@dataclass(frozen=True)
class Checkpoint:
    """The state that one process restores.

    Attributes:
        meta: counters of the run and facts about it, see `run_state`.
        model, ema, optimizer: tensors by name; `ema` is empty for a run without averaging.
        rng: random state of this process; None where it was written by fewer processes.
    """

    meta: dict[str, Any]
    model: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    rng: dict[str, Any] | None


def checkpoint_folder(root: Path, step: int) -> Path:
    """Name of the checkpoint of a step."""
    return root / f"step-{step:08d}"


def latest_checkpoint(root: Path) -> Path | None:
    """The checkpoint with the highest step, None if there is none; unfinished ones do not count."""
    found = _finished(root)
    return found[-1] if found else None


def latest_step(root: Path) -> int | None:
    """The step of the newest checkpoint, None if there is none."""
    latest = latest_checkpoint(root)
    return None if latest is None else int(latest.name.rpartition("-")[2])


def write_checkpoint(
    root: Path,
    step: int,
    tensors: Mapping[str, dict[str, Tensor]],
    meta: dict[str, Any],
    keep: int,
    rank: int = 0,
    wait: Callable[[], None] = lambda: None,
    frozen_from: Path | None = None,
) -> None:
    """Write a checkpoint; every process calls this, the first one writes all but the random states of the others.

    Args:
        root: folder of all checkpoints.
        step: of this one.
        tensors: "model", "optimizer" and, with averaging, "ema": tensors by name; "frozen", weights of the model that
            never change, unless `frozen_from` has them.
        meta: scalars of the run, as in `Checkpoint`.
        keep: how many of the newest checkpoints stay.
        rank: of this process.
        wait: returns once every process has called it.
        frozen_from: an earlier checkpoint with the same frozen weights, whose file is shared.
    """
    known: dict[str, str] = {}
    if rank == 0:
        folder = begin_checkpoint(root, step)
        if frozen_from is not None:
            known = _share_frozen(frozen_from, folder)
        for name, group in tensors.items():
            write_tensors(folder, name, group)
    wait()
    write_rng(unfinished_folder(root, step), rank)
    wait()
    if rank == 0:
        finish_checkpoint(root, step, meta, keep, known)


def unwritable(root: Path, step: int, error: Exception) -> InstructSAMError:
    """The error for a checkpoint or export that could not be written, for example on a full disk."""
    latest = latest_step(root)
    kept = "there is no checkpoint yet" if latest is None else f"the checkpoint of step {latest} is whole"
    resume = "" if latest is None else " with --resume"
    return InstructSAMError(
        f"step {step}: {root.parent} cannot be written ({reason(error)}); {kept}: make room or restore the rights "
        f"there, then repeat the command{resume}"
    )


def write_rng(folder: Path, rank: int) -> None:
    """Store this process's random state in a checkpoint that is being written."""
    (folder / f"rng-{rank}.json").write_text(json.dumps(random_state()), encoding="utf-8")


def unfinished_folder(root: Path, step: int) -> Path:
    """Where every process writes its part until `finish_checkpoint`."""
    return root / f".writing-{step:08d}"


def begin_checkpoint(root: Path, step: int) -> Path:
    """A new, hidden folder to write a checkpoint into (main process only)."""
    discard_unfinished(root)
    folder = unfinished_folder(root, step)
    folder.mkdir(parents=True)
    return folder


def discard_unfinished(root: Path) -> None:
    """Remove the files of a process that was killed, or whose disk was full, while it wrote or deleted."""
    for stale in root.glob(".writing-*"):
        shutil.rmtree(stale)


def write_tensors(folder: Path, name: str, tensors: dict[str, Tensor]) -> None:
    """Write `NAME.safetensors`."""
    plain = {key: value.detach().to("cpu").contiguous() for key, value in tensors.items()}
    save_file(plain, folder / f"{name}.safetensors")


def _share_frozen(earlier: Path, folder: Path) -> dict[str, str]:
    """Give a checkpoint the frozen weights of an earlier one, by a link where there are links; file name -> SHA-256."""
    try:
        os.link(earlier / FROZEN, folder / FROZEN)
    except OSError:
        shutil.copyfile(earlier / FROZEN, folder / FROZEN)
        return {}
    return {FROZEN: read_state(earlier)["files"][FROZEN]}


def finish_checkpoint(
    root: Path, step: int, meta: dict[str, Any], keep: int, known: Mapping[str, str] | None = None
) -> Path:
    """Seal a checkpoint: list its files, rename it to its final name, delete all but the newest `keep`.

    A checkpoint of this step that is there already stays: it holds the same.

    Args:
        known: SHA-256 of files that need not be computed again.
    """
    folder = unfinished_folder(root, step)
    finish_tree(folder)
    sums = known or {}
    files = {path.name: sums.get(path.name) or file_sha256(path) for path in sorted(folder.iterdir())}
    state = {"format": FORMAT, "step": step, "meta": meta, "files": files}
    write_text(folder / "state.json", json.dumps(state, indent=1))
    final = checkpoint_folder(root, step)
    if not final.exists():
        os.replace(folder, final)
        sync_folder(root)
    for old in _finished(root)[:-keep]:
        os.replace(old, root / f".writing-old-{old.name}")  # half deleted, it would pass for a checkpoint
    discard_unfinished(root)
    return final


def checkpoint_record(folder: Path) -> dict[str, Any]:
    """The note in an export about its checkpoint: step, SHA-256 of `state.json`, and the parts trained so far."""
    state = read_state(folder)
    note = {"step": state["step"], "checkpoint": file_sha256(folder / "state.json")}
    return {**note, "trained_parts": state["meta"].get("trained_parts")}


def is_record_of(record: Any, folder: Path) -> bool:
    """Whether a note from `checkpoint_record`, of this version or an earlier one, is about this checkpoint.

    Raises:
        CheckpointError: the checkpoint has no `state.json`.
    """
    state = folder / "state.json"
    if not state.is_file():
        raise CheckpointError(_damaged(folder, "state.json is missing"))
    return isinstance(record, dict) and record.get("checkpoint") == file_sha256(state)


def read_state(folder: Path) -> dict[str, Any]:
    """`state.json` of a checkpoint.

    Raises:
        CheckpointError: it is missing, unreadable or of another format.
    """
    state = _read_json(folder / "state.json", folder)
    if state.get("format") != FORMAT:
        raise CheckpointError(
            f"checkpoint {folder} has format {state.get('format')!r}, expected {FORMAT}; "
            "resume it with the version that wrote it"
        )
    if not all(
        isinstance(state.get(key), kind) for key, kind in (("files", dict), ("meta", dict), ("step", int))
    ):
        raise CheckpointError(_damaged(folder, "state.json lists no files"))
    return state


def read_checkpoint(folder: Path, rank: int = 0) -> Checkpoint:
    """Read and verify a checkpoint.

    Raises:
        CheckpointError: a file is missing, changed or unreadable, or the format is another one.
    """
    state = read_state(folder)
    files, meta = state["files"], state["meta"]
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(_damaged(folder, f"{name} is missing"))
        if file_sha256(path) != digest:
            raise CheckpointError(_damaged(folder, f"{name} has changed since it was written"))
    rng = f"rng-{rank}.json"
    if rng not in files and rank < meta.get("processes", 1):
        raise CheckpointError(_damaged(folder, f"it holds no random state for process {rank}"))
    return Checkpoint(
        meta=meta,
        model={**_load_if_listed(FROZEN, folder, files), **_load(folder / "model.safetensors", folder)},
        ema=_load_if_listed("ema.safetensors", folder, files),
        optimizer=_load(folder / "optimizer.safetensors", folder),
        rng=_read_json(folder / rng, folder) if rng in files else None,
    )


def _finished(root: Path) -> list[Path]:
    try:
        names = list(root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError) as error:
        raise InputError(
            f"{root}: cannot be read ({reason(error)}): check its owner and its rights"
        ) from error
    named = [(match, path) for path in names if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(named, key=lambda pair: int(pair[0].group(1)))]


def _load_if_listed(name: str, folder: Path, files: Mapping[str, str]) -> dict[str, Tensor]:
    return _load(folder / name, folder) if name in files else {}


def _load(path: Path, folder: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(_damaged(folder, f"{path.name} cannot be read ({error})")) from error


def _read_json(path: Path, folder: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(_damaged(folder, f"{path.name} is missing")) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(_damaged(folder, f"{path.name} cannot be read ({error})")) from error
    if not isinstance(value, dict):
        raise CheckpointError(_damaged(folder, f"{path.name} holds no object"))
    return value


def _damaged(folder: Path, why: str) -> str:
    return f"checkpoint {folder} is damaged: {why}; delete it to resume from the one before"
