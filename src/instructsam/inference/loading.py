"""`load`: the shipped default, a folder, or a hub id, strictly and with one clear line when it cannot be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructsam.errors import CheckpointError, InputError

if TYPE_CHECKING:
    import torch

    from instructsam.inference.segmenter import Segmenter

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "assets" / "default"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def load(
    name_or_path: str | Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    released_decoding: bool = False,
) -> Segmenter:
    """Load a model, ready to segment.

    Args:
        name_or_path: a folder written by `save_pretrained`, a hub id, or None for the shipped default.
        device: "auto" (cuda, else mps, else cpu) or a torch device name.
        dtype: "auto" (bfloat16 on cuda, else float32) or "float32", "bfloat16", "float16".
        revision: of a hub id; one revision for all its parts.
        released_decoding: write phrases exactly as the released research code does, to reproduce published results
            (docs/model.md, "Decoding").

    Raises:
        CheckpointError: nothing is there, a file is missing or damaged, or tensors do not fit.
        InputError: unknown device or dtype.
    """
    folder = resolve(name_or_path, revision)
    from instructsam.inference.segmenter import Segmenter
    from instructsam.processing.processor import InstructSAMProcessor

    target = pick_device(device)
    model = load_model(folder, pick_dtype(dtype, target))
    processor = InstructSAMProcessor.from_pretrained(folder)
    return Segmenter(model.to(target), processor, released_decoding)


def resolve(name_or_path: str | Path | None, revision: str | None = None) -> Path:
    """The local folder of a model; a hub id is fetched (or found in the hub's own cache)."""
    if name_or_path is None:
        folder = DEFAULT_FOLDER
        if not (folder / "config.json").is_file():
            raise CheckpointError(
                "this installation holds no default model; reinstall instructsam or name a folder"
            )
        return folder
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise CheckpointError(
                f"{folder} holds no model (no config.json); give a folder saved by InstructSAM"
            )
        return folder
    if not HUB_ID.fullmatch(str(name_or_path)) or folder.suffix or str(name_or_path).startswith("."):
        raise CheckpointError(
            f"no model {str(name_or_path)!r}: it is neither an existing folder nor a hub id such as 'owner/name'"
        )
    return fetch(str(name_or_path), revision)


def fetch(hub_id: str, revision: str | None) -> Path:
    """Download a hub repository's model files, or take them from the hub's cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.txt", "*.jinja"]
    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"no folder {hub_id!r} here, and it could not be fetched as a hub id ({type(error).__name__}); check the "
            "name, the network and your access, or give a local folder"
        ) from error


def load_model(folder: Path, dtype: torch.dtype, attn_implementation: str = "sdpa") -> Any:
    """The model of a folder; every tensor accounted for.

    Raises:
        CheckpointError: names missing, unexpected or misshapen tensors, or the damaged file.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import logging

    from instructsam.model.instructsam import InstructSAMModel

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        model, report = InstructSAMModel.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation=attn_implementation,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (
        OSError,
        SafetensorError,
        StrictDataclassError,
        ValueError,
        RuntimeError,
        KeyError,
        TypeError,
    ) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        reason = misshapen(folder) if isinstance(error, RuntimeError) else first_line
        raise CheckpointError(f"the model in {folder} cannot be loaded: {reason}") from error
    finally:
        logging.set_verbosity(verbosity)
    wrong = [f"{kind} {name}" for kind in ("missing_keys", "unexpected_keys") for name in report[kind]]
    if wrong:
        listed = ", ".join(name.replace("_keys", "") for name in wrong[:8]) + (
            ", ..." if len(wrong) > 8 else ""
        )
        raise CheckpointError(f"the model in {folder} does not fit: {len(wrong)} tensors ({listed})")
    return model.eval()


def misshapen(folder: Path) -> str:
    """What is wrong when transformers only says that shapes differ: the first tensor whose shape does not fit."""
    import torch
    from safetensors import safe_open

    from instructsam.model.configuration import InstructSAMConfig
    from instructsam.model.instructsam import InstructSAMModel

    with torch.device("meta"):
        expected = InstructSAMModel(InstructSAMConfig.from_pretrained(folder)).state_dict()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - not a mapping
                found = tuple(weights.get_slice(name).get_shape())
                if name in expected and found != tuple(expected[name].shape):
                    return f"{name} is {found}, config.json asks for {tuple(expected[name].shape)}"
    return "its tensors do not fit its config.json"


def pick_device(device: str) -> torch.device:
    """`auto` is cuda, else mps, else cpu."""
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"unknown device {device!r}; use auto, cpu, cuda, cuda:1 or mps") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device!r} was asked for, but this machine has no usable CUDA; use cpu")
    return chosen


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on cuda and float32 elsewhere (bfloat16 is slow on most CPUs)."""
    import torch

    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if dtype not in known:
        raise InputError(f"unknown dtype {dtype!r}; use auto, {', '.join(known)}")
    return known[dtype]
