"""Point sampling on mask logits: supervise where the prediction is undecided, not every pixel.

Source: PointRend (arXiv 1912.08193, section 3.1), as used for mask losses by Mask2Former (arXiv 2112.01527,
section 3.3). Shapes: N masks, h w mask size, K points. Points are (x, y) in [0, 1], from the left top corner
of the mask.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_at(maps: Tensor, points: Tensor) -> Tensor:
    """Bilinear values [N, K] of float maps [N, h, w] at points [N, K, 2]; outside the map counts as zero."""
    if maps.shape[0] == 0:  # grid_sample refuses an empty batch; the sum keeps the graph connected
        return maps.sum() + maps.new_zeros(points.shape[:2])
    grid = 2 * points[:, :, None] - 1
    return F.grid_sample(maps[:, None], grid, mode="bilinear", align_corners=False)[:, 0, :, 0]


@torch.no_grad()
def uncertain_points(logits: Tensor, count: int, oversample: int = 3, importance: float = 0.75) -> Tensor:
    """Points [N, count, 2] that prefer pixels whose logit is near zero.

    `oversample * count` candidates are drawn uniformly; the `importance` share of the points are the
    candidates with the smallest absolute logit, the rest are drawn uniformly again. The global random
    generator is used, so `torch.manual_seed` makes it reproducible.

    Args:
        logits: float [N, h, w], one mask each.
        count: points per mask.
        oversample: candidates per point, at least 1.
        importance: share of uncertain points in [0, 1].
    """
    masks = logits.shape[0]
    candidates = torch.rand(masks, count * oversample, 2, device=logits.device)
    uncertain = int(importance * count)
    closeness = -sample_at(logits.float(), candidates).abs()
    nearest = closeness.topk(uncertain, dim=1).indices
    chosen = candidates.gather(1, nearest[..., None].expand(-1, -1, 2))
    uniform = torch.rand(masks, count - uncertain, 2, device=logits.device)
    return torch.cat([chosen, uniform], dim=1)
