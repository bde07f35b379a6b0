"""Models of transformers in a folder or on the hub, loaded strictly: the bases that a new model is built from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructsam.checkpoints.folder import CONFIG_ERRORS, CONFIG_FILE
from instructsam.checkpoints.headers import FLOATS, require_fit, tensors
from instructsam.checkpoints.hub import fetch, is_hub_id
from instructsam.checkpoints.limits import REFUSED
from instructsam.checkpoints.quiet import quiet_transformers
from instructsam.errors import CheckpointError, first_line
from instructsam.structures.model_files import read_object, require_inside

if TYPE_CHECKING:
    import torch

DEFAULT_VLM = "Qwen/Qwen3-VL-2B-Instruct"
DEFAULT_DETECTOR = "facebook/sam3"
KERNELS = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")


def base_folder(name: str | Path) -> Path:
    """The folder of a base; a hub id is downloaded.

    Raises:
        CheckpointError: the name is neither a folder nor a hub id.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if not is_hub_id(str(name)):
        raise CheckpointError(
            f"no base model {str(name)!r}: neither an existing folder nor a hub id such as '{DEFAULT_VLM}'"
        )
    return fetch(str(name))


def stock_name(folder: Path, known: Iterable[str]) -> str:
    """The model type among `known` that a folder holds.

    Raises:
        CheckpointError: it holds none of them, or a mixture of experts.
    """
    names = sorted(known, key=len, reverse=True)
    found = str(require_stock(folder).get("model_type"))
    # a prefix is enough: SAM3 is published as sam3_video
    name = next((name for name in names if found.startswith(name)), None)
    if name is None:
        raise CheckpointError(f"{folder} holds a {found} model, expected {' or '.join(sorted(names))}")
    if "moe" in found and "moe" not in name:
        raise CheckpointError(
            f"{folder} holds a {found} model; only dense ones are built from, such as 2B or 8B"
        )
    return name


def load_stock(stock_class: Any, folder: Path, dtype: torch.dtype, family: str) -> Any:
    """Load a model of transformers, strictly from a folder.

    Args:
        stock_class: its class.
        family: start of its `model_type`.

    Raises:
        CheckpointError: the folder holds another kind of model, is damaged, or lacks tensors.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoConfig

    from instructsam.checkpoints.finite import require_finite

    fields = require_stock(folder)
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        model_type = AutoConfig.from_pretrained(folder, **options).model_type
        if not str(model_type).startswith(family):
            raise CheckpointError(f"{folder} holds a {model_type} model, expected {family}")
        found = list(tensors(folder))
        with quiet_transformers():
            model, report = stock_class.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                output_loading_info=True,
                **options,
            )
    except (*CONFIG_ERRORS, RuntimeError, ImportError, SafetensorError, StrictDataclassError) as error:
        raise CheckpointError(f"the base model in {folder} cannot be loaded: {first_line(error)}") from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise CheckpointError(
            f"{folder} lacks {len(missing)} tensors of a {family} model ({', '.join(missing[:4])})"
        )
    quantized = fields.get("quantization_config") is not None
    wanted = set() if quantized else {tail(name) for name, _ in model.named_parameters()}
    odd = [
        f"{name} is {entry['dtype']} in {entry['file']}"
        for name, entry in found
        if entry["dtype"] not in FLOATS and tail(name) in wanted
    ]
    require_fit(
        f"the base model in {folder} cannot be loaded: expected weights in {', '.join(FLOATS)}", odd, shown=4
    )
    files = {name: folder / entry["file"] for name, entry in found}
    require_finite(model, folder, lambda name: (files[name], name) if name in files else None)
    return model


def tail(name: str) -> str:
    """The end of a tensor's name, which survives a library's renaming of the parts of a model."""
    return ".".join(name.split(".")[-3:])


def require_stock(folder: Path) -> dict[str, Any]:
    """The configuration of a folder that names no weights or attention kernels from elsewhere.

    Code of its own (`auto_map`) is left to `trust_remote_code=False`: many models carry some and load without it.

    Raises:
        CheckpointError: names the field of config.json, or the file that is damaged or leads out of the folder.
    """
    require_inside(folder)
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise CheckpointError(f"the base model in {folder} cannot be loaded: it has no {CONFIG_FILE}")
    fields = read_object(path)
    if fields.get("transformers_weights") is not None:
        raise CheckpointError(f"{path}: transformers_weights is not read: {REFUSED['transformers_weights']}")
    for part in (fields, *(value for value in fields.values() if isinstance(value, dict))):
        for name in KERNELS:
            if "/" in str(part.get(name)):
                raise CheckpointError(
                    f"{path}: {name} {part[name]!r} is not run: kernels are code from the hub"
                )
    return fields


def require_plain(folder: Path) -> Path:
    """`folder`, unless its weights are quantized.

    Raises:
        CheckpointError: they are.
    """
    path = folder / CONFIG_FILE
    if path.is_file() and read_object(path).get("quantization_config") is not None:
        raise CheckpointError(
            f"{path}: expected plain weights to build a model from, found quantized ones: give the original model"
        )
    return folder
