"""Hybrid attention: causal everywhere, both ways inside one query block (arXiv 2605.26102; docs/model.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from transformers.masking_utils import create_causal_mask

from instructsam.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

SUPPORTED = ("sdpa", "eager")


def require_hybrid_support(attn_implementation: str | None) -> None:
    """Refuse attention kernels that would silently drop the pattern.

    Raises:
        ConfigError: for flash attention and every other kernel than sdpa and eager.
    """
    if attn_implementation is not None and attn_implementation not in SUPPORTED:
        raise ConfigError(
            f"hybrid attention needs attn_implementation 'sdpa' or 'eager', got {attn_implementation!r}: that "
            "kernel takes no attention mask, so queries of one block could not see each other"
        )


def hybrid_mask(
    text_config: Any,
    inputs_embeds: Tensor,
    attention_mask: Tensor,
    block_ids: Tensor,
    cache: Any = None,
) -> Tensor:
    """The 4-D mask for `inputs_embeds` [B, L, D], in the layout that the configured kernel takes.

    Args:
        text_config: the VLM's text configuration; names the kernel.
        inputs_embeds: float [B, L, D] of this step.
        attention_mask: int [B, past + L], 0 at padding.
        block_ids: int [B, L], the number of its query block, -1 elsewhere.
        cache: past keys and values, None for a whole sequence.

    Returns:
        [B, 1, L, past + L]: bool with True = visible (sdpa), or float with 0 = visible (eager).
    """
    require_hybrid_support(text_config._attn_implementation)
    past = attention_mask.shape[1] - block_ids.shape[1]
    mask: Tensor = create_causal_mask(
        config=text_config,
        inputs_embeds=inputs_embeds,
        attention_mask=attention_mask,
        past_key_values=cache,
        block_sequence_ids=functional.pad(
            block_ids, (past, 0), value=-1
        ),  # blocks of earlier steps are closed
    )
    return mask


def kernel_mask(visible: Tensor, config: Any, dtype: torch.dtype) -> Tensor:
    """Visibility in the form that the attention kernel takes: the eager one adds it to its logits."""
    if config._attn_implementation != "eager":
        return visible
    added = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return added.masked_fill(~visible, torch.finfo(dtype).min)
