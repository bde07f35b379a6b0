"""Number format and attention kernel of a training run, chosen for its device where the settings say "auto"."""

from __future__ import annotations

import torch

from instructsam.training.settings import RunConfig

# torch.cpu has no public way to ask; a name that a version lacks counts as "no".
_CPU_CHECKS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 pays on a device: GPUs, CPUs with AVX-512 BF16 or AMX. Elsewhere it is 5 to 100 times slower."""
    if device.type != "cpu":
        return True
    checks = (getattr(torch.cpu, name, None) for name in _CPU_CHECKS)
    return any(check is not None and check() for check in checks)


def uses_bfloat16(config: RunConfig, device: torch.device) -> bool:
    """Whether the forward pass runs under bfloat16 autocast."""
    return config.precision == "bfloat16" or (config.precision == "auto" and has_fast_bfloat16(device))


def attention_kernel(config: RunConfig) -> str:
    """The kernel of every attention layer: "sdpa" or "eager", which is faster under bfloat16 on a CPU."""
    if config.attention != "auto":
        return config.attention
    gpu = config.device == "auto" and torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    return "eager" if device.type == "cpu" and uses_bfloat16(config, device) else "sdpa"
