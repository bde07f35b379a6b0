"""Strict loading of the model of a folder, in either layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructsam.checkpoints.folder import CONFIG_ERRORS, read_config
from instructsam.checkpoints.headers import FLOATS, require_fit, tensors, used_tensors, weight_files
from instructsam.checkpoints.quantize import Quantize, quantization_config
from instructsam.checkpoints.quiet import quiet_transformers
from instructsam.errors import CheckpointError, first_line

if TYPE_CHECKING:
    import torch


def load_model(
    folder: Path,
    dtype: torch.dtype,
    attn_implementation: str = "sdpa",
    device: torch.device | str = "cpu",
    quantize: Quantize | None = None,
) -> Any:
    """Load the model of a folder, in either layout; every tensor must be accounted for.

    The module is created without memory; weights are then read tensor by tensor, directly in the requested number
    format and on the requested device.

    Raises:
        CheckpointError: names missing, unexpected or misshapen tensors, or the damaged file.
        InputError, MissingExtraError: `quantize` is unavailable, see `checkpoints.quantize`.
    """
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    from instructsam.checkpoints.finite import require_finite, require_finite_files
    from instructsam.checkpoints.inspect import account
    from instructsam.checkpoints.published_layout import KEY_MAPPING, UNUSED
    from instructsam.model.instructsam import InstructSAMModel

    config, published = read_config(folder)
    bits = quantization_config(quantize, config, torch.device(device), dtype)
    places = weight_places(folder, published)
    account(folder).require_complete()  # before memory is allocated for shapes that the files do not have
    if bits is not None:  # NaN cannot be detected in packed weights
        require_finite_files(weight_files(folder))
    try:
        with quiet_transformers():
            model, report = InstructSAMModel.from_pretrained(
                folder,
                dtype=dtype,
                attn_implementation=attn_implementation,
                device_map={"": device},
                quantization_config=bits,
                config=config,
                key_mapping=KEY_MAPPING if published else None,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (*CONFIG_ERRORS, SafetensorError, StrictDataclassError, RuntimeError) as error:
        raise CheckpointError(f"the model in {folder} cannot be loaded: {first_line(error)}") from error
    unused = UNUSED if published else ()
    wrong = [f"missing {name}" for name in sorted(report["missing_keys"])]
    wrong += [
        f"unexpected {name}" for name in sorted(report["unexpected_keys"]) if not name.startswith(unused)
    ]
    require_fit(
        f"the model in {folder} does not fit", wrong, hint=f"; `instructsam doctor {folder}` lists all"
    )
    require_finite(model, folder, places.get)
    return model.eval()


def weight_places(folder: Path, published: bool) -> dict[str, tuple[Path, str]]:
    """File and name in it of every tensor that the model uses, by our name.

    Raises:
        CheckpointError: a file is missing, damaged or something else, or a tensor is not of floating point.
    """
    used = [found for found in used_tensors(tensors(folder), published) if found[0] is not None]
    wrong = [
        f"{name} is {entry['dtype']} in {entry['file']}"
        for _, name, entry in used
        if entry["dtype"] not in FLOATS
    ]
    problem = f"the model in {folder} cannot be loaded: expected weights in {', '.join(FLOATS)}"
    require_fit(problem, wrong, shown=4)
    return {str(ours): (folder / entry["file"], name) for ours, name, entry in used}
