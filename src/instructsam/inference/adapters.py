"""LoRA adapter folders (arXiv 2106.09685), told by their adapter_config.json and never by their name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

from instructsam.errors import CheckpointError, InputError, MissingExtraError, first_line
from instructsam.inference.folder import require_fit

Adapter = Literal["merge", "keep"]
CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter instead of a whole model."""
    return (folder / CONFIG_FILE).is_file() and not (folder / "config.json").is_file()


def base_of(folder: Path) -> tuple[str, str | None]:
    """The model that an adapter was trained on, and its revision where the adapter names one.

    A hub id, or a folder; relative folders are seen from the adapter's.

    Raises:
        CheckpointError: adapter_config.json is damaged or names no base.
    """
    path = folder / CONFIG_FILE
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        name, revision = fields.get("base_model_name_or_path"), fields.get("revision")
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} cannot be read ({error})") from error
    if not name:
        raise CheckpointError(
            f"{path} names no base model; write its folder or hub id as base_model_name_or_path"
        )
    beside = folder / str(name)
    return (str(beside) if beside.is_dir() else str(name)), revision


def apply_adapter(model: Any, folder: Path, how: Adapter) -> Any:
    """Put an adapter into its base model.

    Args:
        model: the base.
        folder: the adapter's.
        how: "merge" adds it to the weights, which then cost nothing extra; "keep" leaves it as layers of its own.

    Raises:
        InputError: `how` is neither.
        MissingExtraError: peft is not installed.
        CheckpointError: the adapter is incomplete or belongs to another model.
    """
    if how not in get_args(Adapter):
        raise InputError(f"adapter must be merge or keep, got {how!r}")
    if not (folder / WEIGHTS_FILE).is_file():
        raise CheckpointError(
            f"{folder} holds no {WEIGHTS_FILE}; other formats are not read, save it as safetensors"
        )
    try:
        from peft import PeftConfig, PeftModel
    except ImportError as error:
        raise MissingExtraError("adapters need peft: pip install 'instructsam[lora]'") from error
    from safetensors import SafetensorError

    try:
        config = PeftConfig.from_pretrained(str(folder))
        if config.peft_type != "LORA":
            raise CheckpointError(f"{folder} holds a {config.peft_type} adapter, only LoRA is read")
        adapted = PeftModel(model, config)
        report = adapted.load_adapter(str(folder), adapter_name="default", is_trainable=False)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, SafetensorError) as error:
        raise CheckpointError(
            f"the adapter in {folder} does not fit its base model: {first_line(error)}"
        ) from error
    lost = [f"unexpected {name}" for name in report.unexpected_keys]
    lost += [f"missing {name}" for name in report.missing_keys if "lora_" in name]
    require_fit(f"the adapter in {folder} does not fit its base model", lost, shown=4)
    return (adapted.merge_and_unload() if how == "merge" else adapted.get_base_model()).eval()
