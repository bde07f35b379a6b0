"""Initial weights of small vision encoders that train from scratch (docs/model.md, "Initialisation")."""

from __future__ import annotations

import math

import torch
from torch import nn


def local_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, out: torch.Tensor) -> None:
    """Let self-attention start as trained vision towers end: every cell looks at itself and its surroundings.

    Queries equal keys, so that a cell attends to cells like it, which its position table makes its neighbours; and
    value and output maps together subtract part of the average. Source: "Mimetic initialization of self-attention
    layers" (arXiv 2305.09828), strengths as there.

    Args:
        query, key, value, out: float [width, width] weights of one layer, changed in place.
    """
    width = query.shape[0]
    nn.init.orthogonal_(query, gain=0.7**0.5)
    key.copy_(query)
    nn.init.orthogonal_(value)
    noise = torch.randn(width, width) * width**-0.5
    out.copy_((0.4 * noise - 0.4 * torch.eye(width)) @ value.T)


def sine_table(cells: int, width: int, amplitude: float = 0.7) -> torch.Tensor:
    """Start of a learned position table: sines of row and column, float [cells, width], cells in raster order.

    Both towers then know from the first step where each patch lies, which boxes and words like "left" depend on.
    """
    side = math.isqrt(cells)
    frequencies = math.pi * torch.logspace(-1, math.log2(side / 2), width // 4, base=2.0)
    angles = (torch.arange(side) + 0.5).div(side).unsqueeze(1) * frequencies
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)  # [side, width / 2]
    rows = waves.unsqueeze(1).expand(-1, side, -1)
    columns = waves.unsqueeze(0).expand(side, -1, -1)
    return amplitude * torch.cat([rows, columns], dim=-1).flatten(0, 1)
