"""SAM3's modules with the stock parameters and results, fewer kernel launches and no synchronization.

Shapes: P phrases, Q queries per phrase, C width, h w size of the coarsest level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.models.sam3.modeling_sam3 import Sam3DetrEncoder, box_cxcywh_to_xyxy


class SingleLevelEncoder(Sam3DetrEncoder):
    """The stock encoder, which takes one level here; its size stays on the host."""

    def _prepare_multilevel_features(
        self, vision_features: list[Tensor], vision_pos_embeds: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[tuple[int, int]]]:
        """One level [P, C, h, w] and its positions as float [P, h * w, C], and its size."""
        (level,), (positions,) = vision_features, vision_pos_embeds
        flat, placed = (tensor.flatten(2).transpose(1, 2).contiguous() for tensor in (level, positions))
        return flat, placed, [(level.shape[-2], level.shape[-1])]


@dataclass(frozen=True)
class BoxEncoding:
    """The encodings that a decoder computes of boxes, with everything computed once that its layers share.

    Attributes:
        decoder: a `Sam3DetrDecoder`.
        periods: float [C / 2], of the sine embedding.
        cells: float [2, 1, 1, h, 1], centres of rows and columns; None where h and w differ.
        size: (h, w).
    """

    decoder: Any
    periods: Tensor
    cells: Tensor | None
    size: tuple[int, int]

    @classmethod
    def of(cls, decoder: Any, size: tuple[int, int], like: Tensor) -> BoxEncoding:
        """The encoding for a level of (h, w), in the number format of `like`."""
        sines = decoder.position_encoding
        half = sines.num_position_features
        steps = torch.arange(half, dtype=torch.int64, device=like.device).to(like.dtype)
        periods = sines.temperature ** (2 * torch.div(steps, 2, rounding_mode="floor") / half)
        cells = None
        if size[0] == size[1]:
            rows, columns = decoder._get_coords(*size, dtype=like.dtype, device=like.device)
            cells = torch.stack([rows, columns]).view(2, 1, 1, -1, 1)
        return cls(decoder, periods, cells, size)

    def sines(self, boxes: Tensor) -> Tensor:
        """Boxes cxcywh [P, Q, 4] as sines and cosines of y, x, w, h: float [P, Q, 2 C]."""
        x, y, width, height = (boxes * self.decoder.position_encoding.scale).unbind(-1)
        angles = torch.stack([y, x, width, height], dim=-1).unsqueeze(-1) / self.periods
        pairs = torch.stack([angles[..., 0::2].sin(), angles[..., 1::2].cos()], dim=-1)
        return pairs.flatten(2)

    def attention_bias(self, boxes: Tensor, lead: int) -> Tensor:
        """Relative position bias of boxes cxcywh [P, Q, 4]: float [P, heads, lead + Q, h * w], zero for the first rows.

        Args:
            boxes: of the queries.
            lead: further queries in front, which have no box.
        """
        if self.cells is None:
            return F.pad(self.decoder._get_rpb_matrix(boxes, self.size), (0, 0, lead, 0))
        left, top, right, bottom = box_cxcywh_to_xyxy(boxes).unbind(-1)
        edges = torch.stack([torch.stack([top, bottom], dim=-1), torch.stack([left, right], dim=-1)])
        distances = (self.cells - edges.unsqueeze(3)) * 8
        scaled = torch.sign(distances) * torch.log2(torch.abs(distances) + 1.0) / math.log2(8)
        rows, columns = (
            F.pad(embed(part).permute(0, 3, 1, 2), (0, 0, lead, 0))
            for embed, part in zip(
                (self.decoder.box_rpb_embed_y, self.decoder.box_rpb_embed_x), scaled, strict=True
            )
        )
        return (rows.contiguous().unsqueeze(4) + columns.contiguous().unsqueeze(3)).flatten(3)
