"""Conversion between the two layouts, tensor by tensor, with at most one output file in memory."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import torch
from huggingface_hub import split_state_dict_into_shards_factory
from safetensors import safe_open
from safetensors.torch import save_file

from instructsam.checkpoints.devices import DTYPES, named_dtype
from instructsam.checkpoints.finite import non_finite
from instructsam.checkpoints.folder import read_config
from instructsam.checkpoints.headers import INDEX, read_header, weight_files
from instructsam.checkpoints.inspect import LICENCE_FILES, account
from instructsam.checkpoints.processors import load_processor
from instructsam.checkpoints.published_layout import config_to_published, map_published_name, published_name
from instructsam.checkpoints.saving import model_folder
from instructsam.errors import CheckpointError, InputError
from instructsam.processing.word_list import save_words
from instructsam.structures.checks import check_count
from instructsam.structures.destinations import check_new_folder
from instructsam.structures.files import write_text

if TYPE_CHECKING:
    from instructsam.model.configuration import InstructSAMConfig

Layout = Literal["native", "published"]
UNUSED_FILE = (
    "unused.safetensors"  # beside a native model: published tensors that it never reads, for the way back
)


def check_layout(folder: Path, to: Layout) -> InstructSAMConfig:
    """The configuration of a model, checked before weights are downloaded or read.

    Raises:
        CheckpointError: the model cannot be written in the layout `to`, or config.json is damaged.
    """
    config, _ = read_config(folder)
    if to == "published":
        config_to_published(config)
    return config


@dataclass(frozen=True)
class Entry:
    """One tensor to write: its new name, its source, and its size in bytes once written."""

    name: str
    path: Path
    old_name: str
    num_bytes: int


def convert(
    source: Path, target: Path, to: Layout, dtype: str | None = None, max_shard_bytes: int = 5_000_000_000
) -> Path:
    """Write a model folder in a layout.

    A published model converted to native keeps tensors that the forward pass does not need in a separate file, so that
    converting it back restores every tensor.

    Args:
        source: a model folder in either layout.
        target: a folder that does not exist yet.
        to: "native" (what `save_pretrained` writes) or "published".
        dtype: "float32", "bfloat16" or "float16" for floating-point tensors; None keeps the format of each.
        max_shard_bytes: a larger model is written as several files with an index.

    Raises:
        InputError: an option is unknown, `target` exists or cannot be written, or the disk is too full.
        CheckpointError: `source` is incomplete, cannot be written in that layout, or holds values that are NaN,
            infinite or beyond `dtype`.
    """
    if to not in get_args(Layout):
        raise InputError(f"the layout must be native or published, got {to!r}")
    if dtype is not None and dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}; use {', '.join(DTYPES)}")
    check_count(max_shard_bytes, "max_shard_bytes", high=2**60)
    check_new_folder(target, "")
    config = check_layout(source, to)
    account(source).require_complete()
    processor = load_processor(source)
    number_format = None if dtype is None else named_dtype(dtype)
    main, unused = plan(source, to, number_format)
    require_room(target.parent, sum(entry.num_bytes for entry in (*main, *unused)))
    with model_folder(target) as staging:
        if to == "native":
            config.token_ids = processor.token_ids.as_dict()
            config.architectures = ["InstructSAMModel"]
            if dtype is not None:
                config.dtype = dtype
            config.save_pretrained(staging)
            processor.save_pretrained(staging)
        else:
            text = json.dumps(config_to_published(config), indent=2, default=str)
            write_text(staging / "config.json", text + "\n")
            processor.tokenizer.save_pretrained(str(staging))
            save_words(processor.words, staging)
            main, unused = [*main, *unused], []
        write(staging, main, number_format, max_shard_bytes)
        if unused:
            save_file(dict(read(unused, None)), staging / UNUSED_FILE, metadata={"format": "pt"})
        for name in LICENCE_FILES:
            if (source / name).is_file():
                shutil.copyfile(source / name, staging / name)
    return target


def require_room(folder: Path, num_bytes: int) -> None:
    """Refuse a disk that is too full for the result.

    Raises:
        InputError: states the required and the free space.
    """
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise InputError(
            f"{folder} has {free / 1e9:.1f} GB free, the result takes {num_bytes / 1e9:.1f} GB: free some, or write "
            "to another disk"
        )


def plan(source: Path, to: Layout, dtype: torch.dtype | None) -> tuple[list[Entry], list[Entry]]:
    """Tensors of the model's own files, and those only kept for converting back."""
    _, published = read_config(source)
    main: list[Entry] = []
    unused: list[Entry] = []
    kept = source / UNUSED_FILE
    for path in [*weight_files(source), *([kept] if kept.is_file() and not published else [])]:
        header, _ = read_header(path)
        for name, entry in header.items():
            of_layout = published or path == kept  # kept tensors have their published names
            ours = map_published_name(name) if of_layout else name
            used = ours is not None and path != kept
            if used and to == "native" and ours is not None:
                new = ours
            else:
                new = name if of_layout else published_name(name)
            size = entry["data_offsets"][1] - entry["data_offsets"][0]
            if dtype is not None and entry["dtype"] in ("F32", "F16", "BF16"):
                size = math.prod(entry["shape"]) * dtype.itemsize
            (main if used else unused).append(Entry(new, path, name, size))
    return main, unused


def read(entries: list[Entry], dtype: torch.dtype | None) -> Iterator[tuple[str, torch.Tensor]]:
    """New name and tensor of some entries, in the wanted number format.

    Raises:
        CheckpointError: a tensor holds values that are not finite, or not in that format.
    """
    for path in dict.fromkeys(entry.path for entry in entries):
        with safe_open(path, framework="pt") as file:
            for entry in entries:
                if entry.path == path:
                    tensor = file.get_tensor(entry.old_name)
                    cast = dtype is not None and tensor.is_floating_point()
                    result = tensor.to(dtype) if cast else tensor
                    if non_finite({entry.name: result}):
                        raise CheckpointError(
                            f"{entry.old_name} in {path} holds values that are NaN, infinite or beyond {result.dtype}: "
                            "keep the number format, or check the model"
                        )
                    yield entry.name, result


def write(folder: Path, entries: list[Entry], dtype: torch.dtype | None, max_shard_bytes: int) -> None:
    """Write the weights as one file, or as several with an index."""
    by_name = {entry.name: entry for entry in entries}
    shards = split_state_dict_into_shards_factory(
        by_name,
        get_storage_size=lambda entry: entry.num_bytes,
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=max_shard_bytes,
    )
    for file, names in shards.filename_to_tensors.items():
        shard = read([by_name[name] for name in names], dtype)
        save_file(dict(shard), folder / file, metadata={"format": "pt"})
    if shards.is_sharded:
        places = dict(sorted(shards.tensor_to_filename.items()))
        text = json.dumps({"metadata": shards.metadata, "weight_map": places}, indent=1)
        write_text(folder / INDEX, text + "\n")
