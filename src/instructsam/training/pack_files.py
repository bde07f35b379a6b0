"""The files of a pack: named tensors in safetensors files of limited size, and `pack.json`, which lists them.

The list holds the size and SHA-256 of each file. Equal tensors are stored once. A pack is written completely or not at
all, and verified completely before anything of it is used.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from instructsam.errors import CheckpointError, InputError
from instructsam.structures.checks import parse_json
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import file_sha256, reason, write_json
from instructsam.training.export import replace_folder

MANIFEST = "pack.json"
FORMAT = 1
MOST_FILES = 8  # safetensors files of one pack

_MEGABYTE = 1_000_000
_HEADER_BYTES = 160  # at most, of a tensor in a file's header, without its name
_FILE = re.compile(r"run-\d+-of-\d+\.safetensors")


@dataclass(frozen=True)
class Pack:
    """Facts about a packed run.

    Attributes:
        step: of the checkpoint.
        files: safetensors files of the pack.
        size: of these files together, in bytes.
    """

    step: int
    files: int
    size: int


def write_pack(
    out: Path, step: int, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any], max_megabytes: float
) -> Pack:
    """Write tensors as at most `MOST_FILES` files and their list; an earlier pack in `out` is replaced at the end.

    Args:
        out: folder of the pack.
        step: of the packed checkpoint.
        tensors: by name, on the CPU.
        metadata: JSON values that `read_pack` returns.
        max_megabytes: largest file, in millions of bytes.

    Raises:
        InputError: the tensors do not fit into the files, or `out` holds other files or cannot be written.
    """
    check_destination(out)
    out = out.resolve()  # a link stays one, and "." has a name
    stored, same = _without_copies(tensors)
    plan = _divided(stored, int(max_megabytes * _MEGABYTE))
    if len(plan) > MOST_FILES:
        raise InputError(
            f"the run needs {len(plan)} files of {max_megabytes:g} MB, expected at most {MOST_FILES}: raise "
            "--max-megabytes"
        )
    manifest = {"format": FORMAT, "step": step, "files": [], "metadata": metadata, "same": same}

    def write(staging: Path) -> None:
        files = []
        for number, names in enumerate(plan, start=1):
            path = staging / f"run-{number}-of-{len(plan)}.safetensors"
            save_file({name: stored[name] for name in names}, path)
            files.append({"name": path.name, "bytes": path.stat().st_size, "sha256": file_sha256(path)})
        manifest["files"] = files
        write_json(staging / MANIFEST, manifest)

    try:
        replace_folder(out, write)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{out}: cannot be written ({reason(error)}): make room or choose another folder"
        ) from error
    return _pack_of(manifest)


def read_pack(pack: Path) -> tuple[Pack, dict[str, Tensor], dict[str, Any]]:
    """Facts, tensors by name and metadata, as `write_pack` wrote them.

    Raises:
        InputError: the folder holds no pack.
        CheckpointError: a file is missing or damaged, or the pack has another format.
    """
    manifest = _read_manifest(pack)
    shards = manifest["files"]
    missing = [shard["name"] for shard in shards if not (pack / shard["name"]).is_file()]
    if missing:
        raise CheckpointError(damaged(pack, f"{', '.join(missing)} of {len(shards)} files missing"))
    for shard in shards:
        path = pack / shard["name"]
        if (size := path.stat().st_size) != shard["bytes"]:
            raise CheckpointError(damaged(pack, f"{path.name} has {size} bytes, expected {shard['bytes']}"))
        if file_sha256(path) != shard.get("sha256"):
            raise CheckpointError(damaged(pack, f"{path.name} has changed since it was written"))
    try:
        stored = {
            name: tensor for shard in shards for name, tensor in load_file(pack / shard["name"]).items()
        }
        stored.update({name: stored[known] for name, known in manifest["same"].items()})
    except (SafetensorError, KeyError) as error:
        raise CheckpointError(damaged(pack, f"{MANIFEST} does not fit its files ({error})")) from error
    return _pack_of(manifest), stored, manifest["metadata"]


def packed(pack: Path) -> Pack | None:
    """Facts about the pack in a folder, from its list of files; None where there is none."""
    return _pack_of(_read_manifest(pack)) if os.path.isfile(pack / MANIFEST) else None


def check_destination(out: Path) -> None:
    """Check that a folder can be written and holds nothing but a pack.

    Raises:
        InputError: it cannot be written, or holds other files.
    """
    if os.path.isfile(out):  # unlike pathlib, without an error for a name that is too long
        raise InputError(f"{out} is a file, expected the folder of a packed run: choose another name")
    names = sorted(path.name for path in out.iterdir()) if os.path.isdir(out) else []
    others = [name for name in names if name != MANIFEST and not _FILE.fullmatch(name)]
    if others or (names and MANIFEST not in names):
        found = ", ".join((others or names)[:3])
        raise InputError(
            f"{out} holds other files than a packed run ({found}), which a pack would replace: choose another folder"
        )
    prepare_folder(out.resolve().parent, "OUT")


def damaged(pack: Path, why: str) -> str:
    """The message about a pack that cannot be used."""
    return f"{pack} is damaged: {why}; copy its files again, or pack the run again"


def _read_manifest(pack: Path) -> dict[str, Any]:
    path = pack / MANIFEST
    try:
        manifest = parse_json(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}): expected a folder that `instructsam pack-run` wrote"
        ) from error
    except InputError as error:
        raise CheckpointError(damaged(pack, f"{MANIFEST} is no JSON")) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else None
        raise CheckpointError(
            f"{path} has format {found!r}, expected {FORMAT}: unpack it with the version that wrote it"
        )
    kinds = {"step": int, "files": list, "metadata": dict, "same": dict}
    shards = manifest.get("files")
    complete = all(isinstance(manifest.get(key), kind) for key, kind in kinds.items()) and all(
        isinstance(shard, dict)
        and _FILE.fullmatch(str(shard.get("name")))
        and isinstance(shard.get("bytes"), int)
        for shard in shards or ()
    )
    if (
        not complete
        or not _is_texts(manifest["same"])
        or not all(map(_is_texts, manifest["metadata"].values()))
    ):
        raise CheckpointError(damaged(pack, f"{MANIFEST} does not list its files"))
    return manifest


def _is_texts(value: Any) -> bool:
    """Whether every value of an object is a text."""
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _pack_of(manifest: Mapping[str, Any]) -> Pack:
    shards = manifest["files"]
    return Pack(manifest["step"], len(shards), sum(shard["bytes"] for shard in shards))


def _without_copies(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Each content once, and the names of the others -> the name of the same content."""
    first: dict[tuple[Any, ...], str] = {}
    same: dict[str, str] = {}
    for name, tensor in tensors.items():
        digest = hashlib.sha256(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data).digest()
        known = first.setdefault((tensor.dtype, tensor.shape, digest), name)
        if known != name:
            same[name] = known
    return {name: tensor for name, tensor in tensors.items() if name not in same}, same


def _divided(tensors: Mapping[str, Tensor], limit: int) -> list[list[str]]:
    """Names by file: the largest tensors first, each into the first file with room for it.

    Args:
        limit: bytes of a file.
    """
    costs = {name: tensor.nbytes + len(name.encode()) + _HEADER_BYTES for name, tensor in tensors.items()}
    files: list[list[str]] = []
    room: list[int] = []
    for name in sorted(costs, key=lambda name: (-costs[name], name)):
        if costs[name] > limit:
            raise InputError(
                f"{name} has {costs[name] / _MEGABYTE:.1f} MB and does not fit into a file of "
                f"{limit / _MEGABYTE:g} MB: raise --max-megabytes"
            )
        place = next((number for number, left in enumerate(room) if left >= costs[name]), len(files))
        if place == len(files):
            files.append([])
            room.append(limit)
        files[place].append(name)
        room[place] -= costs[name]
    return files
