"""Decoding exactly as the released research code does, so that its published results can be reproduced.

It differs from how the model was trained in four ways (docs/model.md, "Decoding"): positions count tokens one by one
instead of laying the image out in rows and columns; the step with a query block stands one position too far; the
queries also see the end of their block; the detector receives a phrase with its markers. All of it is in this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from instructsam.model.generation import Decoder, GenerationSettings, Reply

if TYPE_CHECKING:
    from instructsam.model.features import ImageFeatures
    from instructsam.model.generation import DecodingModel
    from instructsam.structures.outputs import ModelInputs


class ReleasedDecoder(Decoder):
    """`Decoder` with the released code's four differences."""

    def prompt_positions(self, inputs: ModelInputs, images: ImageFeatures) -> Tensor:
        """Tokens counted from 0, the same for all three axes."""
        counted = inputs.attention_mask.cumsum(1) - 1
        return counted.clamp(min=0).expand(3, -1, -1)

    def step_positions(self, width: int, is_query: Tensor) -> Tensor:
        """One further than the cache is long where a query block is written."""
        return super().step_positions(width, is_query) + is_query.any(1, keepdim=True).long()

    def step_blocks(self, is_query: Tensor, real: Tensor) -> Tensor:
        """The mask's end belongs to the block: it follows the last query."""
        follows = torch.cat([torch.zeros_like(is_query[:, :1]), is_query[:, :-1]], dim=1)
        return torch.where(is_query | follows, 0, -1)

    def phrase_tokens(self, phrase: list[int]) -> list[int]:
        """With both markers."""
        return [self.ids["ref_start"], *phrase, self.ids["ref_end"]]


@torch.no_grad()
def generate_released(
    model: DecodingModel,
    inputs: ModelInputs,
    images: ImageFeatures,
    settings: GenerationSettings | None = None,
) -> list[Reply]:
    """`generation.generate` as the released code decodes."""
    return ReleasedDecoder(model, inputs, images, settings or GenerationSettings()).run()
