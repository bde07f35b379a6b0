"""The weighted mean of a model and the one that it was trained from.

Further training on new data forgets some of the old; between both sets of weights lie models that have most of each
(Wortsman et al., "Robust fine-tuning of zero-shot models", 2022). The result is as large and as fast as one of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from instructsam.checkpoints.finite import non_finite
from instructsam.checkpoints.folder import read_config
from instructsam.checkpoints.headers import INDEX, read_header, weight_files
from instructsam.checkpoints.inspect import LICENCE_FILES, account
from instructsam.checkpoints.processors import load_processor
from instructsam.checkpoints.saving import model_folder
from instructsam.checkpoints.scope import read_scope, save_scope
from instructsam.errors import CheckpointError
from instructsam.structures.checks import check_number
from instructsam.structures.destinations import check_new_folder

if TYPE_CHECKING:
    from instructsam.processing.processor import InstructSAMProcessor

_FREE_KEYS = ("dtype", "score_threshold", "transformers_version", "architectures")  # may differ
_NAMED = 3  # differences that a message names


def average(first: Path, second: Path, target: Path, share: float) -> Path:
    """Write (1 - share) x the weights of `first` + share x those of `second`; all else is that of `second`.

    Args:
        first: a native model folder, usually the model that training began with.
        second: a native model folder of the same sizes and tokenizer, usually the trained one.
        target: a folder that does not exist yet.
        share: of `second`, in [0, 1].

    Raises:
        InputError: `share` is outside [0, 1], or `target` exists or cannot be written.
        CheckpointError: a folder is damaged, incomplete or in the published layout, or the two differ in sizes, tensors
            or tokenizer.
    """
    check_number(share, "share", 0, 1)
    check_new_folder(target, "")
    processor = _require_alike(first, second)
    config, _ = read_config(second)
    places = {name: path for path in weight_files(first) for name in read_header(path)[0]}
    with model_folder(target) as staging:
        config.save_pretrained(staging)
        processor.save_pretrained(staging)
        save_scope(read_scope(second), staging)
        for path in weight_files(second):
            save_file(_mean(path, places, share), staging / path.name, metadata={"format": "pt"})
        for name in (INDEX, *LICENCE_FILES):
            if (second / name).is_file():
                shutil.copyfile(second / name, staging / name)
    return target


def _mean(path: Path, places: dict[str, Path], share: float) -> dict[str, torch.Tensor]:
    """The mean of the tensors of one file of the second model, in its number format; computed in float32."""
    result = {}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - not a mapping
            tensor = file.get_tensor(name)
            if tensor.is_floating_point():
                with safe_open(places[name], framework="pt") as other:
                    before = other.get_tensor(name).float()
                tensor = torch.lerp(before, tensor.float(), share).to(tensor.dtype)
            result[name] = tensor
    if broken := non_finite(result):
        raise CheckpointError(f"{broken[0]} would hold values that are NaN or infinite: check both models")
    return result


def _require_alike(first: Path, second: Path) -> InstructSAMProcessor:
    """The processor of two folders whose weights can be averaged."""
    for folder in (first, second):
        if read_config(folder)[1]:
            raise CheckpointError(
                f"{folder} is in the published layout: convert it first (instructsam convert --to native)"
            )
        account(folder).require_complete()
    processors = [load_processor(folder) for folder in (first, second)]
    for what, of_both in (
        ("config.json", [_sizes(folder) for folder in (first, second)]),
        ("the weights", [_shapes(folder) for folder in (first, second)]),
        ("the tokenizer", [processor.tokenizer.get_vocab() for processor in processors]),
    ):
        if different := _differences(*of_both):
            raise CheckpointError(
                f"{first} and {second} differ in {what}: {different}; average a model with the one that it was "
                "trained from"
            )
    return processors[1]


def _sizes(folder: Path) -> dict[str, Any]:
    fields = read_config(folder)[0].to_dict()
    return {key: value for key, value in _flat(fields).items() if key.split(".")[-1] not in _FREE_KEYS}


def _flat(fields: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted names."""
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat


def _shapes(folder: Path) -> dict[str, Any]:
    return {
        name: entry["shape"] for path in weight_files(folder) for name, entry in read_header(path)[0].items()
    }


def _differences(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The first names that have another value in one of both, "" for none."""
    names = [name for name in sorted({**one, **other}) if one.get(name) != other.get(name)]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
