"""Loading of a model folder or of an adapter folder, whose base is loaded too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructsam.checkpoints.adapters import Adapter, apply_adapter, base_of, is_adapter
from instructsam.checkpoints.opening import load_model
from instructsam.checkpoints.quantize import Quantize
from instructsam.checkpoints.resolve import resolve
from instructsam.errors import CheckpointError

if TYPE_CHECKING:
    import torch

MOST_ADAPTERS = 8


def adapters_of(folder: Path) -> tuple[Path, list[Path]]:
    """The whole model at the bottom of a folder, and the adapters on it from the bottom up; none for a model folder.

    Raises:
        CheckpointError: a base is missing, or adapters form a circle.
    """
    found: list[Path] = []
    base = folder
    while is_adapter(base):
        if len(found) == MOST_ADAPTERS:
            raise CheckpointError(
                f"{folder}: expected at most {MOST_ADAPTERS} adapters on a model, got more: base_model_name_or_path of "
                "one of them leads back to it, or merge some of them"
            )
        found.insert(0, base)
        base = resolve(*base_of(base))
    return base, found


def load_adapted(
    folder: Path,
    dtype: torch.dtype,
    attn_implementation: str = "sdpa",
    device: torch.device | str = "cpu",
    quantize: Quantize | None = None,
    adapter: Adapter = "merge",
) -> tuple[Any, Path]:
    """The model of a folder, with its adapter if it is an adapter's, and the folder of the whole model.

    Args:
        folder: of a model in either layout, or of an adapter.
        adapter: see `apply_adapter`; adapters below the last one are merged.

    Raises:
        CheckpointError: something is missing, damaged or does not fit.
        InputError, MissingExtraError: see `load_model` and `apply_adapter`.
    """
    base, adapters = adapters_of(folder)
    model = load_model(base, dtype, attn_implementation, device, quantize)
    for place in adapters:
        model = apply_adapter(model, place, adapter if place == adapters[-1] else "merge")
    return model, base
