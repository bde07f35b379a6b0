"""The files of a model folder: its configuration and the headers of its weights, in either layout."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructsam.errors import CheckpointError, first_line

if TYPE_CHECKING:
    from instructsam.model.configuration import InstructSAMConfig

LONGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors format


def read_config(folder: Path) -> tuple[InstructSAMConfig, bool]:
    """Our configuration of a folder, and whether it is in the published layout.

    Raises:
        CheckpointError: config.json cannot be read, or is no InstructSAM model's.
    """
    from huggingface_hub.errors import StrictDataclassError

    from instructsam.model.checkpoint import config_from_published, is_published
    from instructsam.model.configuration import InstructSAMConfig

    path = folder / "config.json"
    if not path.is_file() and (folder / "adapter_config.json").is_file():
        raise CheckpointError(
            f"{folder} holds an adapter, not a whole model: give the base that it was trained on"
        )
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if is_published(fields):
            return config_from_published(fields), True
        kind = fields.get("model_type")
        if kind != InstructSAMConfig.model_type:
            raise CheckpointError(f"{path} is that of a {kind or 'nameless'} model, not of InstructSAM")
        return InstructSAMConfig.from_dict(fields), False
    except (OSError, ValueError, TypeError, AttributeError, KeyError, StrictDataclassError) as error:
        raise CheckpointError(
            f"the model in {folder} cannot be loaded: {path.name}: {first_line(error)}"
        ) from error


def tensors(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and header entry (dtype, shape, data_offsets) of every tensor of a folder's safetensors files.

    Raises:
        CheckpointError: there is no such file, or a header is damaged or promises more than the file holds.
    """
    for path in weight_files(folder):
        header, data_bytes = read_header(path)
        for name, entry in header.items():
            if entry["data_offsets"][1] > data_bytes:
                raise CheckpointError(
                    f"{path} is cut short: {name} ends beyond its last byte; fetch it again"
                )
            yield name, entry


def require_fit(problem: str, wrong: list[str], shown: int = 8, hint: str = "") -> None:
    """Refuse tensors that do not fit, if there are any.

    Raises:
        CheckpointError: `problem`, how many there are, the first of them, and `hint` where that is not all.
    """
    if wrong:
        cut = len(wrong) > shown
        listed = ", ".join(wrong[:shown]) + (", ..." if cut else "")
        raise CheckpointError(f"{problem}: {len(wrong)} tensors ({listed}){hint if cut else ''}")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up a model: those of its index, or its only one.

    Raises:
        CheckpointError: a file is missing or the index is damaged.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
            names = sorted(set(places.values()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{index} is damaged: {error}") from error
    else:
        names = ["model.safetensors"]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(f"{folder} lacks {', '.join(missing)}; fetch the model again")
    return [folder / name for name in names]


def has_weights(folder: Path) -> bool:
    """Whether every safetensors file of a model is there."""
    try:
        return bool(weight_files(folder))
    except CheckpointError:
        return False


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The tensors of a safetensors file's header, and how many bytes of data follow it.

    Raises:
        CheckpointError: it is none.
    """
    try:
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if length > LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(file.read(length))
    except (OSError, ValueError, struct.error) as error:
        raise CheckpointError(f"{path} is no safetensors file ({error}); fetch it again") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path} is no safetensors file (its header is no object); fetch it again")
    header.pop("__metadata__", None)
    for name, entry in header.items():
        if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
            raise CheckpointError(f"{path} is no safetensors file ({name} lacks its place); fetch it again")
    return header, path.stat().st_size - 8 - length
