"""The weighted mean of a model and the one that it was trained from.

Further training on new data forgets some of the old; between both sets of weights lie models that have most of each
(Wortsman et al., "Robust fine-tuning of zero-shot models", 2022). The result is as large and as fast as one of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from instructsam.checkpoints.adapters import is_adapter
from instructsam.checkpoints.convert import UNUSED_FILE
from instructsam.checkpoints.finite import non_finite
from instructsam.checkpoints.folder import read_config
from instructsam.checkpoints.headers import INDEX, read_header, tensors, weight_files
from instructsam.checkpoints.inspect import LICENCE_FILES, account
from instructsam.checkpoints.processors import load_processor
from instructsam.checkpoints.saving import model_folder
from instructsam.checkpoints.scope import read_scope, save_scope
from instructsam.config import flat_keys
from instructsam.errors import CheckpointError, first_line
from instructsam.structures.checks import check_number, shorten
from instructsam.structures.destinations import check_new_folder

if TYPE_CHECKING:
    from instructsam.processing.processor import InstructSAMProcessor

_FREE_KEYS = {  # settings of a user or of a library, without effect on the tensors
    *("dtype", "transformers_version", "architectures", "_name_or_path", "use_cache"),
    *("score_threshold", "real_words", "default_mode"),
    *("min_pixels", "max_pixels", "max_instruction_tokens"),
}
_TIED, _TABLE = "lm_head.weight", "embed_tokens.weight"  # where they are one, the first is stored or left out
_NAMED = 3  # differences that a message names


def average(first: Path, second: Path, target: Path, share: float) -> Path:
    """Write (1 - share) x the weights of `first` + share x those of `second`.

    Number format, configuration, tokenizer, word list, note, licences, and the tensors that only `convert` needs are
    those of `second`.

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
    places = {name: (first / entry["file"], name) for name, entry in tensors(first)}
    if config.tie_word_embeddings and _TIED not in places:
        places[_TIED] = next(place for name, place in places.items() if name.endswith(_TABLE))
    files = weight_files(second)
    others = [*LICENCE_FILES, UNUSED_FILE, *([INDEX] if len(files) > 1 else [])]
    with model_folder(target) as staging:
        config.save_pretrained(staging)
        processor.save_pretrained(staging)
        save_scope(read_scope(second), staging)
        for path in files:
            save_file(_mean(path, places, share), staging / path.name, metadata={"format": "pt"})
        for name in others:
            if (second / name).is_file():
                shutil.copyfile(second / name, staging / name)
    return target


def _mean(path: Path, places: dict[str, tuple[Path, str]], share: float) -> dict[str, torch.Tensor]:
    """The mean of the tensors of one file of the second model, in its number format; computed in float32."""
    result = {}
    for name in read_header(path)[0]:
        tensor = _read(path, name)
        if tensor.is_floating_point():
            mean = torch.lerp(_read(*places[name]).float(), tensor.float(), share)
            tensor = mean.to(tensor.dtype)
            if non_finite({name: tensor}):
                raise CheckpointError(
                    f"the mean of {name} is beyond {tensor.dtype}: convert the second model first (instructsam convert "
                    "--dtype float32)"
                )
        result[name] = tensor
    return result


def _read(path: Path, name: str) -> torch.Tensor:
    """One tensor of a file.

    Raises:
        CheckpointError: the file is damaged, or the tensor holds values that are NaN or infinite.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(name)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged ({first_line(error)}): fetch it again") from error
    if non_finite({name: tensor}):
        raise CheckpointError(f"{name} in {path} holds values that are NaN or infinite: check the model")
    return tensor


def _require_alike(first: Path, second: Path) -> InstructSAMProcessor:
    """The processor of `second`, if the weights of both folders can be averaged."""
    for folder in (first, second):
        if is_adapter(folder):
            raise CheckpointError(
                f"{folder} holds an adapter: merge it into its base first (instructsam.load, then save)"
            )
        if read_config(folder)[1]:
            raise CheckpointError(
                f"{folder} is in the published layout: convert it first (instructsam convert {folder} NEW --to native)"
            )
        account(folder).require_complete()
    processors = [load_processor(folder) for folder in (first, second)]
    for what, of_both in (
        ("config.json", [_sizes(folder) for folder in (first, second)]),
        ("the tokenizer", [_tokenizer(processor) for processor in processors]),
    ):
        if different := _differences(*of_both):
            raise CheckpointError(
                f"{first} and {second} differ in {what}: {different}; average a model with the one that it was "
                "trained from"
            )
    return processors[1]


def _sizes(folder: Path) -> dict[str, Any]:
    """Settings that decide the names and shapes of the tensors, by full key."""
    fields = flat_keys(read_config(folder)[0].to_dict())
    return {key: value for key, value in fields.items() if key.split(".")[-1] not in _FREE_KEYS}


def _tokenizer(processor: InstructSAMProcessor) -> dict[str, Any]:
    """Everything that decides how text is cut, and into which numbers."""
    tokenizer = processor.tokenizer
    fast = getattr(tokenizer, "backend_tokenizer", None)
    return {**tokenizer.get_vocab(), "its rules": None if fast is None else fast.to_str()}


def _differences(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The first names that have another value in one of both, "" for none."""
    names = [name for name in sorted({**one, **other}) if one.get(name) != other.get(name)]
    shown = ", ".join(shorten(name) for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
