"""Devices and number formats by name, including `auto`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instructsam.errors import InputError
from instructsam.structures.checks import describe

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")


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
        raise InputError("device 'mps' was requested, but this machine has none: use cpu")
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device!r} was requested, but this machine has no usable CUDA: use cpu")
    count = torch.cuda.device_count() if chosen.type == "cuda" else 0
    if chosen.type == "cuda" and (chosen.index or 0) >= count:
        raise InputError(f"device {device!r} was requested, but this machine has cuda:0 to cuda:{count - 1}")
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
