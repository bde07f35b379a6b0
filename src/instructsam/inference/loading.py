"""`load`: the shipped default, a folder, or a hub id, strictly and with one clear line when it cannot be."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from instructsam.errors import CheckpointError, InputError, first_line
from instructsam.inference.adapters import Adapter, apply_adapter, base_of, is_adapter
from instructsam.inference.folder import CONFIG_ERRORS, read_config
from instructsam.inference.headers import FLOATS, require_fit, tensors, used_tensors, weight_files
from instructsam.inference.locating import resolve
from instructsam.inference.processors import load_processor
from instructsam.inference.quantizing import Quantize, quantization_config
from instructsam.inference.quiet import quiet_transformers
from instructsam.inference.scope import read_scope
from instructsam.structures.checks import check_choice, check_flag, check_path, check_text, describe

if TYPE_CHECKING:
    import torch

    from instructsam.inference.segmenter import Segmenter

DTYPES = ("float32", "bfloat16", "float16")
LARGE = 500_000_000  # parameters from which on a CPU is worth a warning


def load(
    name_or_path: str | Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    released_decoding: bool = False,
    adapter: Adapter = "merge",
    quantize: Quantize | None = None,
) -> Segmenter:
    """Load a model, ready to segment.

    Args:
        name_or_path: a folder written by `save_pretrained` or in the published layout (docs/weights.md), a hub id
            such as "CircleRadon/InstructSAM-2B", or None for the shipped default.
        device: "auto" (cuda, else mps, else cpu, with a warning for large models) or a torch device name.
        dtype: "auto" (bfloat16 on cuda, else float32) or "float32", "bfloat16", "float16".
        revision: of a hub id; one revision for all its parts.
        released_decoding: write phrases exactly as the released research code does, to reproduce published results
            (docs/model.md, "Decoding"); phrases that are given are read as always.
        adapter: of a LoRA adapter's folder, whose base is then loaded (from the hub where it names a hub id): "merge"
            adds it to the weights, "keep" leaves it as layers of its own.
        quantize: "int8" or "int4" keeps the VLM's weights in that many bits (docs/weights.md, "Memory").

    Raises:
        CheckpointError: nothing is there, a file is missing or damaged, or tensors do not fit.
        InputError: an argument is not one of the values above.
        MissingExtraError: an adapter without peft, quantize without bitsandbytes.
        InstructSAMError: in a forked process that would hang (docs/benchmarks.md, "Threads").
    """
    if name_or_path is not None:
        check_path(name_or_path, "name_or_path")
    if revision is not None:
        check_text(revision, "revision")
    check_flag(released_decoding, "released_decoding")
    check_choice(adapter, "adapter", get_args(Adapter))
    folder = resolve(name_or_path, revision)
    from instructsam.inference.segmenter import Segmenter
    from instructsam.inference.threads import check_process

    target = pick_device(device)
    check_process(target)
    base = resolve(*base_of(folder)) if is_adapter(folder) else folder
    if base != folder and quantize is not None and adapter == "merge":
        raise InputError("an adapter loses precision when merged into quantized weights: use adapter='keep'")
    model = load_model(base, pick_dtype(dtype, target), device=target, quantize=quantize)
    if base != folder:
        model = apply_adapter(model, folder, adapter)
    processor = load_processor(base)
    model.config.token_ids = processor.token_ids.as_dict()
    if device == "auto" and target.type == "cpu" and model.num_parameters() > LARGE:
        logging.getLogger(__name__).warning(
            "no GPU was found: %.1f B parameters run on the CPU in %s, which takes a while for each image",
            model.num_parameters() / 1e9,
            quantize or str(model.dtype).removeprefix("torch."),
        )
    return Segmenter(model, processor, released_decoding, scope=read_scope(folder))


def load_model(
    folder: Path,
    dtype: torch.dtype,
    attn_implementation: str = "sdpa",
    device: torch.device | str = "cpu",
    quantize: Quantize | None = None,
) -> Any:
    """The model of a folder in either layout, on a device; every tensor accounted for.

    Weights go straight into the wanted number format and device, one tensor after the other: the module is built
    without memory first.

    Raises:
        CheckpointError: names missing, unexpected or misshapen tensors, or the damaged file.
        InputError, MissingExtraError: `quantize` cannot be had, see `inference.quantizing`.
    """
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    from instructsam.inference.account import account
    from instructsam.inference.finite import require_finite, require_finite_files
    from instructsam.model.checkpoint import KEY_MAPPING, UNUSED
    from instructsam.model.instructsam import InstructSAMModel

    config, published = read_config(folder)
    bits = quantization_config(quantize, config, torch.device(device), dtype)
    places = weight_places(folder, published)
    account(folder).require_complete()  # before memory is taken for shapes that the files do not have
    if bits is not None:  # NaN cannot be found once it is packed
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
    """The file and the name there of every tensor that a folder's model uses, by our name.

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


def pick_device(device: str) -> torch.device:
    """`auto` is cuda, else mps, else cpu."""
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if not isinstance(device, (str, torch.device)):
        raise InputError(f"unknown device {describe(device)}; use auto, cpu, cuda, cuda:1 or mps")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"unknown device {device!r}; use auto, cpu, cuda, cuda:1 or mps") from error
    if chosen.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"unknown device {device!r}; use auto, cpu, cuda, cuda:1 or mps")
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("device 'mps' was asked for, but this machine has none; use cpu")
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device!r} was asked for, but this machine has no usable CUDA; use cpu")
    count = torch.cuda.device_count() if chosen.type == "cuda" else 0
    if chosen.type == "cuda" and (chosen.index or 0) >= count:
        raise InputError(f"device {device!r} was asked for, but this machine has cuda:0 to cuda:{count - 1}")
    return chosen


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on cuda and float32 elsewhere (bfloat16 is slow on most CPUs)."""
    import torch

    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}; use auto, {', '.join(DTYPES)}")
    return named_dtype(dtype)


def named_dtype(name: str) -> torch.dtype:
    """The number format of one of `DTYPES`."""
    import torch

    chosen: torch.dtype = getattr(torch, name)
    return chosen
