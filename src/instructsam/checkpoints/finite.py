"""Models with NaN or infinite weights are refused when they are loaded.

Minimum and maximum of a tensor are finite exactly if all its values are. Computing them reads each weight once (about
7 GB/s on one core in bfloat16, a tenth of the time of a copy) and needs no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from instructsam.checkpoints.headers import require_fit
from instructsam.errors import CheckpointError

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def non_finite(named: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors with NaN or infinite values."""
    names = [name for name, tensor in named.items() if tensor.dtype in FLOATS and tensor.numel()]
    if not names:
        return []
    # one synchronisation with the GPU for all tensors
    finite = torch.stack([torch.stack(torch.aminmax(named[name])).isfinite().all() for name in names])
    return [name for name, fine in zip(names, finite.tolist(), strict=True) if not fine]


def require_finite(
    model: torch.nn.Module, folder: Path, places: Callable[[str], tuple[Path, str] | None]
) -> None:
    """Refuse a loaded model with weights that are NaN or infinite.

    Args:
        model: loaded in any number format.
        folder: of the model, for the message.
        places: the file of a tensor of the model and its name there; None when unknown.

    Raises:
        CheckpointError: names tensors and files; with a hint when only the range of the number format is too small.
    """
    state = model.state_dict()
    wrong = non_finite(state)
    if not wrong:
        return
    overflown = [
        name for name in wrong if (place := places(name)) is not None and not _file_has_non_finite(*place)
    ]
    if overflown:
        narrow = str(state[overflown[0]].dtype).removeprefix("torch.")
        require_fit(
            f"the weights in {folder} are out of the range of {narrow}: load with another dtype, such as 'float32'",
            overflown,
            shown=4,
        )
    named = [f"{name} in {place[0].name}" if (place := places(name)) is not None else name for name in wrong]
    require_fit(
        f"the model in {folder} cannot be loaded: its weights are damaged or from a run that diverged, NaN or infinite "
        "values in",
        named,
        shown=4,
    )


def require_finite_files(paths: Iterable[Path]) -> None:
    """Refuse safetensors files with values that are NaN or infinite; one tensor at a time is in memory.

    Raises:
        CheckpointError: names the first such tensor and its file.
    """
    for path in paths:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                if non_finite({name: file.get_tensor(name)}):
                    raise CheckpointError(
                        f"{path} cannot be loaded: {name} has NaN or infinite values; the file is damaged or from a "
                        "run that diverged"
                    )


def _file_has_non_finite(path: Path, name: str) -> bool:
    with safe_open(path, framework="pt") as file:
        return bool(non_finite({name: file.get_tensor(name)}))
