"""Instance queries, and the boxes that detector slots start from (docs/model.md, "Initialisation")."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

FREQUENCIES = 8  # sines per coordinate, each twice as fast as the one before


class InstanceQueries(nn.Module):
    """A bank of learned vectors [Q, D], written over the `[SEG]` positions of every query block.

    With `slot_boxes` a projection of the sine embedding of its detector slot's start box is added to each vector
    (docs/model.md, "Initialisation").
    """

    def __init__(self, num_queries: int, hidden_size: int, slot_boxes: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_queries, hidden_size))
        nn.init.normal_(self.weight, std=0.02)
        self.slot = nn.Linear(8 * FREQUENCIES, hidden_size, bias=False) if slot_boxes else None

    def forward(self, slot_boxes: Tensor | None = None) -> Tensor:
        """The bank, float [Q, D].

        Args:
            slot_boxes: float [Q, 4], cxcywh in [0, 1], of a bank with `slot`; no gradient flows into them.
        """
        if self.slot is None or slot_boxes is None:
            return self.weight
        offset: Tensor = self.slot(sine_embedding(slot_boxes.detach()).to(self.weight.dtype))
        return self.weight + offset


def sine_embedding(boxes: Tensor) -> Tensor:
    """Boxes [N, 4] in [0, 1] as sines and cosines, float [N, 8 * FREQUENCIES]."""
    speeds = math.pi * 2.0 ** torch.arange(FREQUENCIES, device=boxes.device)
    angles = (boxes.unsqueeze(-1) * speeds).flatten(1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def write_queries(bank: Tensor, inputs_embeds: Tensor, block_ids: Tensor) -> Tensor:
    """Replace the embeddings of all query blocks.

    Args:
        bank: float [Q, D].
        inputs_embeds: float [B, L, D].
        block_ids: int64 [B, L], -1 outside query blocks; every block has Q positions.

    Returns:
        float [B, L, D].
    """
    is_query = block_ids >= 0
    blocks = int(is_query.sum()) // bank.shape[0]
    rows = bank.to(inputs_embeds.dtype).repeat(blocks, 1)
    return inputs_embeds.masked_scatter(is_query.unsqueeze(-1), rows)


def spread_boxes(num_queries: int, side: float = 0.28) -> Tensor:
    """Boxes spread evenly over the image: cxcywh in [0, 1], float [Q, 4].

    Centres follow the additive recurrence of the plastic number, which fills the unit square evenly for every Q.
    """
    plastic = 1.32471795724474602596
    index = torch.arange(1, num_queries + 1, dtype=torch.float64).unsqueeze(1)
    steps = torch.tensor([1 / plastic, 1 / plastic**2], dtype=torch.float64)
    centres = ((0.5 + index * steps) % 1.0) * 0.8 + 0.1
    return torch.cat([centres, torch.full((num_queries, 2), side, dtype=torch.float64)], dim=1).float()


def farthest_slots(boxes: Tensor, count: int) -> Tensor:
    """Of N reference boxes, `count` that lie farthest apart: farthest-point sampling, int64 [count], ascending.

    It starts with the box nearest to their mean, so that the choice depends on nothing but the boxes.

    Args:
        boxes: float [N, 4], cxcywh in [0, 1].
    """
    if count == len(boxes):
        return torch.arange(count)
    distances = torch.cdist(boxes, boxes)
    chosen = [int((boxes - boxes.mean(0)).square().sum(1).argmin())]
    nearest = distances[chosen[0]].clone()
    while len(chosen) < count:
        nearest[chosen] = -1.0
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, distances[chosen[-1]])
    return torch.tensor(sorted(chosen))
