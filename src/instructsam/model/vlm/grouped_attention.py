"""Qwen3-VL's vision attention with one kernel call for all images of a size, where the stock module has one for each.

Shapes: N patches of all images, heads x d width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.qwen3_vl.modeling_qwen3_vl import (
    Qwen3VLVisionAttention,
    apply_rotary_pos_emb_vision,
    eager_attention_forward,
)


class GroupedVisionAttention(Qwen3VLVisionAttention):
    """The same weights and results; images with equally many patches must follow one another to be grouped."""

    def forward(
        self,
        hidden_states: Tensor,
        cu_seqlens: Tensor,
        position_embeddings: Any = None,
        max_seqlen: int | None = None,
        **options: Any,
    ) -> Tensor:
        """Attention inside each image, float [N, width]; arguments as of the stock module."""
        lengths = cu_seqlens.diff().tolist()
        groups = [(length, len(list(equal))) for length, equal in groupby(lengths)]
        if len(groups) == len(lengths) or position_embeddings is None:
            stock: Tensor = super().forward(
                hidden_states, cu_seqlens, position_embeddings, max_seqlen, **options
            )
            return stock
        query, key, value = self.qkv(hidden_states).unflatten(1, (3, self.num_heads, -1)).unbind(1)
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        kernel = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        attended = []
        for length, count, *states in zip(
            *zip(*groups, strict=True),
            *(_split(tensor, groups) for tensor in (query, key, value)),
            strict=True,
        ):
            images = (state.unflatten(0, (count, length)).transpose(1, 2) for state in states)
            output, _ = kernel(
                self,
                *images,
                attention_mask=None,
                scaling=self.scaling,
                dropout=0.0,
                is_causal=False,
                **options,
            )
            attended.append(output.reshape(count * length, -1))
        projected: Tensor = self.proj(torch.cat(attended))
        return projected


def _split(tensor: Tensor, groups: Sequence[tuple[int, int]]) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = tensor.split([length * count for length, count in groups])
    return parts


def order_by_size(sizes: Sequence[int]) -> list[int]:
    """The order in which images of equal size follow one another."""
    return sorted(range(len(sizes)), key=sizes.__getitem__)
