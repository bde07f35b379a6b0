"""The safetensors files of a model folder and their headers. No other format of weights is read."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any, TypeGuard

from instructsam.errors import CheckpointError, InputError
from instructsam.structures.checks import parse_json, shorten
from instructsam.structures.files import reason
from instructsam.structures.model_files import read_object, wrong_content

LONGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors format
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
ITEM_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F4": 4, "F6_E2M3": 6,
    "F6_E3M2": 6, "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}  # fmt: skip
MOST_AXES, LARGEST = 16, 2**50  # of a shape
FLOATS = ("F16", "BF16", "F32", "F64")


def tensors(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and header entry (dtype, shape, data_offsets, file) of every tensor of a folder's safetensors files.

    Raises:
        CheckpointError: there is no such file, or one is damaged, cut or something else.
    """
    for path in weight_files(folder):
        for name, entry in read_header(path)[0].items():
            yield name, {**entry, "file": path.name}


def used_tensors(
    found: Iterable[tuple[str, dict[str, Any]]], published: bool
) -> Iterator[tuple[str | None, str, dict[str, Any]]]:
    """Our name, name in the file and header entry of tensors, in either layout.

    Our name is None for tensors that the forward pass does not use; an unknown published name is kept.
    """
    from instructsam.checkpoints.published_layout import map_published_name

    for name, entry in found:
        try:
            ours = map_published_name(name) if published else name
        except CheckpointError:
            ours = name
        yield ours, name, entry


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up a model: its only one, or those of its index.

    Raises:
        CheckpointError: a file is missing, the index is damaged, or it names files outside the folder.
    """
    names = [WEIGHTS]
    if not (folder / WEIGHTS).is_file() and (folder / INDEX).is_file():
        names = _indexed(folder / INDEX)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        listed = ", ".join(missing[:3]) + more
        raise CheckpointError(f"{folder} lacks {listed}{_instead(folder)}; fetch the model again")
    return [folder / name for name in names]


def _indexed(index: Path) -> list[str]:
    fields = read_object(index)
    places = fields.get("weight_map")
    if not isinstance(fields.get("metadata"), dict):
        raise CheckpointError(f"{index} is damaged: expected metadata to be an object; fetch it again")
    if not isinstance(places, dict) or not places or not all(isinstance(v, str) for v in places.values()):
        raise CheckpointError(f"{index} is damaged: expected weight_map to map tensors to file names")
    names = sorted(set(places.values()))
    for name in names:
        if not is_plain_name(name) or not name.endswith(".safetensors"):
            raise CheckpointError(
                f"{index} names {shorten(name)}: expected the name of a safetensors file in the same folder"
            )
    return names


def is_plain_name(name: str) -> bool:
    """Whether a name means a file in the same folder: no separator, drive, parent or control character."""
    return name.isprintable() and name not in ("", ".", "..") and not any(letter in name for letter in "/\\:")


def _instead(folder: Path) -> str:
    """Files found instead of missing weights, for the message."""
    names = sorted(path.name for path in folder.iterdir())
    cut = [name for name in names if name.endswith((".incomplete", ".part", ".crdownload", ".aria2"))]
    pickled = [name for name in names if PurePath(name).suffix in PICKLED and "model" in name]
    if cut:
        return f" ({cut[0]} is an unfinished download)"
    if pickled:
        return f" ({pickled[0]} is a pickled file, which is never read: save the weights as safetensors)"
    return ""


def has_weights(folder: Path) -> bool:
    """Whether every safetensors file of a model is there."""
    try:
        return bool(weight_files(folder))
    except CheckpointError:
        return False


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The tensors of a safetensors file's header, and how many bytes of data follow it.

    Raises:
        CheckpointError: the file is something else, cut short, or its header is damaged.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if length > LONGEST_HEADER:
                raise ValueError(f"it would have a header of {length} bytes")
            content = file.read(length)
            if len(content) < length and content.startswith(b"{"):
                raise CheckpointError(
                    f"{path} is cut short: its header alone has {length:,} bytes, the file {size:,}; fetch it again"
                )
            header = parse_json(content, "its header")
    except (OSError, InputError, ValueError, struct.error) as error:
        message = f"{path} is not a safetensors file ({reason(error)}); fetch it again"
        raise CheckpointError(wrong_content(path) or message) from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path} is not a safetensors file (its header is no object); fetch it again")
    header.pop("__metadata__", None)
    present, promised = size - 8 - length, 0
    for name, entry in header.items():
        promised = max(promised, _end(path, name, entry))
    if promised != present:
        difference = "is cut short" if promised > present else "does not fit its header"
        raise CheckpointError(
            f"{path} {difference}: its header describes {promised:,} bytes of tensors, the file holds {present:,}; "
            "fetch it again"
        )
    return header, present


def _end(path: Path, name: str, entry: Any) -> int:
    """Where a tensor's bytes end, its entry checked."""
    keys = ("dtype", "shape", "data_offsets")
    dtype, shape, place = (entry.get(key) if isinstance(entry, dict) else None for key in keys)
    if isinstance(dtype, str) and dtype in ITEM_BITS and _are_counts(shape) and _are_counts(place):
        bits = math.prod(shape) * ITEM_BITS[dtype]
        if len(place) == 2 and (place[1] - place[0]) * 8 == bits:
            return place[1]
    raise CheckpointError(
        f"{path} is damaged: the entry of {name[:80]!r} has no valid dtype, shape and place; fetch it again"
    )


def _are_counts(values: Any) -> TypeGuard[list[int]]:
    return (
        isinstance(values, list)
        and len(values) <= MOST_AXES
        and all(type(value) is int and 0 <= value < LARGEST for value in values)
    )


def require_fit(problem: str, wrong: list[str], shown: int = 8, hint: str = "") -> None:
    """Refuse tensors that do not fit, if there are any.

    Raises:
        CheckpointError: `problem`, how many there are, the first of them, and `hint` where that is not all.
    """
    if wrong:
        cut = len(wrong) > shown
        listed = ", ".join(wrong[:shown]) + (", ..." if cut else "")
        raise CheckpointError(f"{problem}: {len(wrong)} tensors ({listed}){hint if cut else ''}")
