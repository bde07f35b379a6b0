"""Modules of Qwen3-VL with the stock parameters and results, fewer kernel launches and no synchronization.

Shapes: I images, N patches of all images, L tokens, D VLM width.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextModel, Qwen3VLTextRMSNorm
from transformers.vision_utils import get_vision_interpolation_indices_and_weights, get_vision_position_ids

from instructsam.model.vlm.grouped_attention import GroupedVisionAttention

SIZES_KEPT = 64  # image sizes whose tables stay in memory: 0.3 MB each at 1024 px


class FusedRMSNorm(Qwen3VLTextRMSNorm):
    """One kernel on a GPU where the stock module launches six; float32 results are the same on a CPU."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Normalize the last dimension."""
        weight = self.weight
        if hidden_states.dtype != weight.dtype:  # under autocast
            hidden_states, weight = hidden_states.float(), weight.float()
        return F.rms_norm(hidden_states, weight.shape, weight, self.variance_epsilon)


class TextModel(Qwen3VLTextModel):
    """The stock language model, which also takes the image positions as indices: nothing waits for their number."""

    def _deepstack_process(
        self, hidden_states: Tensor, visual_pos_masks: Tensor, visual_embeds: Tensor
    ) -> Tensor:
        """Add the features of an early vision layer.

        Args:
            hidden_states: float [B, L, D].
            visual_pos_masks: bool [B, L], or int64 indices into the B * L tokens.
            visual_embeds: float [image positions, D].
        """
        if visual_pos_masks.dtype == torch.bool:
            stock: Tensor = super()._deepstack_process(hidden_states, visual_pos_masks, visual_embeds)
            return stock
        tokens, added = hidden_states.flatten(0, 1), visual_embeds.to(hidden_states.dtype)
        return tokens.index_add(0, visual_pos_masks, added).view_as(hidden_states)


def use_modules(model: Any) -> None:
    """Give the modules of a `Qwen3VLModel` these classes; the parameters stay, none is drawn again."""
    for block in model.visual.blocks:
        block.attn.__class__ = GroupedVisionAttention
    model.language_model.__class__ = TextModel
    for module in model.language_model.modules():
        if type(module) is Qwen3VLTextRMSNorm:
            module.__class__ = FusedRMSNorm


def vision_positions(visual: Any, grid_thw: Tensor, device: torch.device) -> dict[str, Tensor]:
    """Position arguments of `Qwen3VLVisionModel` for images of known size, made on the host.

    Args:
        visual: the vision encoder.
        grid_thw: int64 [I, 3] on the host.
        device: of the result.
    """
    rules = (
        visual.num_grid_per_side,
        visual.interpolation_mode,
        visual.interpolation_align_corners,
        visual.spatial_merge_size,
    )
    tables = zip(*(_of_size(*grid, *rules) for grid in grid_thw.tolist()), strict=True)
    names = ("interp_indices", "interp_weights", "position_ids")
    return {
        name: torch.cat(parts).to(device, non_blocking=True)
        for name, parts in zip(names, tables, strict=True)
    }


@lru_cache(maxsize=SIZES_KEPT)
def _of_size(
    frames: int, rows: int, columns: int, side: int, mode: str, align_corners: bool, merge: int
) -> tuple[Tensor, Tensor, Tensor]:
    """`vision_positions` of one image."""
    grid = torch.tensor([[frames, rows, columns]], device="cpu")
    indices, weights = get_vision_interpolation_indices_and_weights(
        grid, num_grid_per_side=side, mode=mode, align_corners=align_corners, spatial_merge_size=merge
    )
    return indices, weights, get_vision_position_ids(grid, merge)
