"""Causal attention inside query blocks: a query sees only the queries before it."""

from __future__ import annotations

from torch import Tensor

from instructsam.model.variants.base import Variant


class CausalAttention(Variant):
    """`query_attention: causal`."""

    field = "query_attention"
    value = "causal"

    def attention_blocks(self, block_ids: Tensor) -> Tensor:
        return block_ids.new_full(block_ids.shape, -1)
