"""Instance queries and where their detector slots start to look (docs/model.md, "Initialisation")."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class InstanceQueries(nn.Module):
    """A bank of learned vectors [Q, D], written over the `[SEG]` positions of every query block."""

    def __init__(self, num_queries: int, hidden_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_queries, hidden_size))
        nn.init.normal_(self.weight, std=0.02)

    def write(self, inputs_embeds: Tensor, block_ids: Tensor) -> Tensor:
        """Replace the embeddings of all query blocks.

        Args:
            inputs_embeds: float [B, L, D].
            block_ids: int64 [B, L], -1 outside query blocks; every block has Q positions.

        Returns:
            float [B, L, D].
        """
        is_query = block_ids >= 0
        blocks = int(is_query.sum()) // self.weight.shape[0]
        rows = self.weight.to(inputs_embeds.dtype).repeat(blocks, 1)
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
