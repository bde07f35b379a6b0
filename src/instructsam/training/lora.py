"""LoRA adapters on the VLM (arXiv 2106.09685), by peft: added to a model, merged into its weights, or saved alone.

Names: an adapted layer X holds `X.base_layer.weight`, `X.lora_A.default.weight` and `X.lora_B.default.weight`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from instructsam.checkpoints.adapters import CONFIG_FILE, WEIGHTS_FILE
from instructsam.errors import ConfigError, MissingExtraError
from instructsam.model.instructsam import InstructSAMModel
from instructsam.training.part_settings import LoraSettings
from instructsam.training.parts import parts_by_name

ADAPTER = "adapter"  # the adapter folder's name in a run's folder
BASE = ".base_layer."
_IN_FILES = "base_model.model."  # how peft's files begin a name
_LAYER_NUMBER = re.compile(r"\.\d+\.")


def is_adapter_parameter(name: str) -> bool:
    """Whether a parameter is an adapter's."""
    return ".lora_A." in name or ".lora_B." in name


def target_layers(model: InstructSAMModel, settings: LoraSettings) -> list[str]:
    """Full names of the linear layers to adapt: those in transformer blocks of the adapted parts that fit the pattern.

    Raises:
        ConfigError: the pattern fits none; the message lists what there is.
    """
    parts = parts_by_name(model)
    known = [name for name in _block_linears(model) if parts[f"{name}.weight"] in settings.adapted]
    pattern = settings.target_modules
    chosen = [name for name in known if not pattern or re.fullmatch(pattern, name)]
    if not chosen:
        kinds = sorted({_LAYER_NUMBER.sub(".N.", name) for name in known})
        vision = "" if settings.vision else "; layers of the vision encoder need lora.vision=true"
        raise ConfigError(
            f"lora.target_modules must match the full name of a linear layer, got {pattern!r}; there are "
            f"{', '.join(kinds)}{vision}"
        )
    return chosen


def _block_linears(model: nn.Module) -> Iterator[str]:
    for name, block in model.named_modules():
        if isinstance(block, GradientCheckpointingLayer):  # a transformer block
            for place, layer in block.named_modules():
                if isinstance(layer, nn.Linear):
                    yield f"{name}.{place}"


def add_adapters(model: InstructSAMModel, settings: LoraSettings) -> None:
    """Put new adapters into a model; they change its outputs only once they are trained.

    Raises:
        ConfigError: `lora.target_modules` fits no layer.
        MissingExtraError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtraError("lora needs peft: pip install 'instructsam[lora]'") from error
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=target_layers(model, settings),
    )
    inject_adapter_in_model(config, model)


def merged_state(
    state: Mapping[str, Tensor], settings: LoraSettings, dtype: torch.dtype
) -> dict[str, Tensor]:
    """The state dict of the model without adapters, with their updates added to its weights.

    Args:
        state: of the model with adapters.
        settings: that they were made with.
        dtype: number format of the weights that change; the others stay as they are, without a copy.
    """
    merged: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if is_adapter_parameter(name):
            continue
        layer, base, _ = name.partition(f"{BASE}weight")
        if base and f"{layer}.lora_A.default.weight" in state:
            low, high = (state[f"{layer}.lora_{side}.default.weight"] for side in "AB")
            update = (high.detach().float() @ low.detach().float()) * (settings.alpha / settings.rank)
            merged[f"{layer}.weight"] = (tensor.detach().float() + update).to(dtype)
        else:
            merged[name.replace(BASE, ".")] = tensor
    return merged


def save_adapter(
    folder: Path,
    model: InstructSAMModel,
    state: Mapping[str, Tensor],
    settings: LoraSettings,
    base: str,
    dtype: torch.dtype,
) -> None:
    """Write an adapter folder that `instructsam.load` opens.

    Args:
        folder: an existing one.
        model: with adapters; its trainable parameters outside of them are saved too.
        state: its state dict, with the weights to save.
        settings: that the adapters were made with.
        base: folder or hub id of the model that they belong to.
        dtype: number format of the weights.
    """
    whole = modules_to_save(model)
    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if is_adapter_parameter(name):
            tensors[_IN_FILES + name.replace(".default.", ".")] = tensor
        elif any(name.startswith(f"{module}.") for module in whole):
            tensors[_IN_FILES + name] = tensor
    plain = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in tensors.items()}
    save_file(plain, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    fields: dict[str, Any] = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(Path(base).resolve()) if Path(base).is_dir() else base,
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": settings.dropout,
        "target_modules": [name for name, module in model.named_modules() if hasattr(module, "lora_A")],
        "modules_to_save": whole or None,
        "bias": "none",
        "inference_mode": True,
    }
    (folder / CONFIG_FILE).write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")


def modules_to_save(model: nn.Module) -> list[str]:
    """The largest modules whose parameters are all trained, adapters left out."""
    return list(_trained_modules(model, ""))


def _trained_modules(module: nn.Module, name: str) -> Iterator[str]:
    parameters = dict(module.named_parameters())
    if any(is_adapter_parameter(f".{key}") for key in parameters):
        trained = False
    else:
        trained = bool(parameters) and all(parameter.requires_grad for parameter in parameters.values())
    if trained:
        yield name
    elif any(parameter.requires_grad for parameter in parameters.values()):
        for key, child in module.named_children():
            if not key.startswith("lora_"):
                yield from _trained_modules(child, f"{name}.{key}" if name else key)
