"""Losses of one mask or one box against its own target, always computed in float32.

Shapes: N pairs, K values of one mask (all pixels, or sampled points). Every function returns one value per
pair, [N]; the criterion decides how pairs are averaged. Targets may be soft (area fractions in [0, 1]). Values of
`counted` 0 count for nothing; None counts all. Sources: dice loss from V-Net (arXiv 1606.04797), generalised IoU from
arXiv 1902.09630.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from instructsam.structures.boxes import cxcywh_to_xyxy


def mask_bce(logits: Tensor, targets: Tensor, counted: Tensor | None = None) -> Tensor:
    """Binary cross-entropy, mean over the K values: [N, K], [N, K] -> [N]."""
    loss = F.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none")
    if counted is None:
        return loss.mean(-1)
    return (loss * counted).sum(-1) / counted.sum(-1).clamp(min=1)


def mask_dice(logits: Tensor, targets: Tensor, eps: float = 1.0, counted: Tensor | None = None) -> Tensor:
    """One minus soft dice of sigmoid(logits): [N, K], [N, K] -> [N]; `eps` is added above and below."""
    return 1 - _dice(logits, targets, eps, eps, counted)


@torch.no_grad()
def soft_dice(logits: Tensor, targets: Tensor, counted: Tensor | None = None) -> Tensor:
    """How good each mask is, in [0, 1], as a score target: [N, K], [N, K] -> [N]; an empty target gives 0."""
    return _dice(logits, targets, 0.0, 1e-6, counted)


def _dice(logits: Tensor, targets: Tensor, above: float, below: float, counted: Tensor | None) -> Tensor:
    probabilities, targets = logits.float().sigmoid(), targets.float()
    if counted is not None:
        probabilities, targets = probabilities * counted, targets * counted
    overlap = 2 * (probabilities * targets).sum(-1)
    return (overlap + above) / (probabilities.sum(-1) + targets.sum(-1) + below)


def box_l1(boxes_cxcywh: Tensor, targets_cxcywh: Tensor) -> Tensor:
    """Sum of the four absolute differences: [N, 4], [N, 4] -> [N]."""
    return (boxes_cxcywh.float() - targets_cxcywh.float()).abs().sum(-1)


def generalized_iou(a_cxcywh: Tensor, b_cxcywh: Tensor) -> Tensor:
    """Generalised IoU in [-1, 1]; leading dimensions broadcast: [..., 4], [..., 4] -> [...]."""
    a, b = cxcywh_to_xyxy(a_cxcywh.float()), cxcywh_to_xyxy(b_cxcywh.float())
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    intersection, hull_area = _area(overlap), _area(hull)
    union = _area(a[..., 2:] - a[..., :2]) + _area(b[..., 2:] - b[..., :2]) - intersection
    tiny = 1e-7  # two boxes without area would divide zero by zero
    return intersection / (union + tiny) - (hull_area - union) / (hull_area + tiny)


def _area(sides: Tensor) -> Tensor:
    """[..., 2] -> [...]; the gradient of `prod` takes a dozen kernels."""
    return sides[..., 0] * sides[..., 1]
