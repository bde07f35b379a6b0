"""LoRA adapter folders (arXiv 2106.09685), recognised by their adapter_config.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from instructsam.checkpoints.headers import FLOATS, read_header, require_fit
from instructsam.errors import CheckpointError, InputError, MissingExtraError, first_line
from instructsam.structures.checks import check_count, describe
from instructsam.structures.model_files import read_object, require_inside

Adapter = Literal["merge", "keep"]
CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
REFUSED = ("megatron_config", "layer_replication")  # imports an arbitrary module; copies layers
LARGEST_RANK = 4096


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter instead of a whole model."""
    return (folder / CONFIG_FILE).is_file() and not (folder / "config.json").is_file()


def base_of(folder: Path) -> tuple[str, str | None]:
    """The model that an adapter was trained on, and its revision if the adapter names one.

    A hub id, or a folder; a relative folder is relative to the adapter's.

    Raises:
        CheckpointError: adapter_config.json is damaged or names no base.
    """
    path = folder / CONFIG_FILE
    require_inside(folder)
    fields = read_object(path)
    name, revision = fields.get("base_model_name_or_path"), fields.get("revision")
    if not isinstance(name, str) or not name or not name.isprintable():
        raise CheckpointError(
            f"{path} names no base model: set base_model_name_or_path to its folder or hub id"
        )
    if revision is not None and not isinstance(revision, str):
        raise CheckpointError(f"{path}: revision must be text or null, got {describe(revision)}")
    beside = folder / name
    return (str(beside) if beside.is_dir() else name), revision


def require_plain_lora(path: Path) -> None:
    """Refuse adapter settings that import modules, copy layers, or need unreasonable memory.

    Raises:
        CheckpointError: names the field of `path`, an adapter_config.json.
    """
    fields = read_object(path)
    for name in REFUSED:
        if fields.get(name):
            raise CheckpointError(f"{path}: {name} is not supported: expected a plain LoRA adapter")
    patterns = fields.get("rank_pattern") or {}
    ranks = list(patterns.values()) if isinstance(patterns, dict) else [patterns]
    try:
        for rank in (fields.get("r", 8), *ranks):
            check_count(rank, "r and the values of rank_pattern", high=LARGEST_RANK)
    except InputError as error:
        raise CheckpointError(f"{path}: {error}") from error


def apply_adapter(model: Any, folder: Path, adapter: Adapter) -> Any:
    """Put an adapter into its base model.

    Args:
        model: the base.
        folder: the adapter's.
        adapter: "merge" adds it to the weights, without extra cost afterwards; "keep" leaves it as layers of its own.

    Raises:
        InputError: `adapter` is neither.
        MissingExtraError: peft is not installed.
        CheckpointError: the adapter is incomplete or belongs to another model.
    """
    if adapter not in get_args(Adapter):
        raise InputError(f"adapter must be merge or keep, got {adapter!r}")
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise CheckpointError(
            f"{folder} holds no {WEIGHTS_FILE}: other formats are not supported, save it as safetensors"
        )
    require_inside(folder)
    require_plain_lora(folder / CONFIG_FILE)
    header, _ = read_header(weights)
    odd = [f"{name} is {entry['dtype']}" for name, entry in header.items() if entry["dtype"] not in FLOATS]
    require_fit(f"{weights} cannot be loaded: expected weights in {', '.join(FLOATS)}", odd, shown=4)
    try:
        from peft import PeftConfig, PeftModel
    except ImportError as error:
        raise MissingExtraError("adapters need peft: pip install 'instructsam[lora]'") from error
    from safetensors import SafetensorError

    from instructsam.checkpoints.finite import require_finite_files

    try:
        require_finite_files([weights])
        config = PeftConfig.from_pretrained(str(folder))
        if config.peft_type != "LORA":
            raise CheckpointError(f"{folder} holds a {config.peft_type} adapter, expected LoRA")
        adapted = PeftModel(model, config)
        report = adapted.load_adapter(str(folder), adapter_name="default", is_trainable=False)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, SafetensorError) as error:
        raise CheckpointError(
            f"the adapter in {folder} does not fit its base model: {first_line(error)}"
        ) from error
    lost = [f"unexpected {name}" for name in report.unexpected_keys]
    lost += [f"missing {name}" for name in report.missing_keys if "lora_" in name]
    require_fit(f"the adapter in {folder} does not fit its base model", lost, shown=4)
    return (adapted.merge_and_unload() if adapter == "merge" else adapted.get_base_model()).eval()
