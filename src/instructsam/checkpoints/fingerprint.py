"""A short identifier of weights, which results store to name their model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def weights_fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """Twelve characters that differ between trained models: a hash over the first values of every tensor."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        first = tensor.flatten()[:16].to(torch.bfloat16)  # independent of the number format
        digest.update(first.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
