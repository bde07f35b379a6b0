"""Losses of masks whose targets are known by a box or by points alone.

A box tells the projections of the mask onto both axes (BoxInst, arXiv 2012.02310, section 3.1): the largest probability
of each row and column is compared with the box's. Points tell that the mask holds them. Cross-entropy outside a box is
that of a mask, in `pair_losses`.

Shapes: N pairs, h w mask size; K is h or w. Targets are those of `PaddedTargets`. Ignored pixels are bool [N, h, w].
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from instructsam.losses.mask_losses import mask_dice, soft_dice

_TINY = 1e-6
_NEVER = -1e4  # logit of ignored pixels in projections


class Projection(NamedTuple):
    """The projection of filled boxes [..., h, w] onto one axis.

    Attributes:
        extent: float [..., K] in [0, 1], with a peak of 1.
        counted: bool [..., K], False where ignored pixels lie in the box; None: all count.
    """

    extent: Tensor
    counted: Tensor | None


def box_projections(boxes: Tensor, ignored: Tensor | None) -> tuple[Projection, Projection]:
    """Projections of filled boxes [..., h, w] onto rows and columns; `ignored` broadcasts to them."""
    hidden = None if ignored is None else (boxes > 0) & ignored
    peak = boxes.amax((-2, -1)).clamp(min=_TINY)[..., None]
    rows, columns = (
        Projection(boxes.amax(axis) / peak, None if hidden is None else ~hidden.any(axis))
        for axis in (-1, -2)
    )
    return rows, columns


def mask_projections(logits: Tensor, ignored: Tensor | None) -> tuple[Tensor, Tensor]:
    """The largest logits of each row and of each column: [..., h, w] -> [..., h], [..., w]."""
    shown = logits if ignored is None else logits.masked_fill(ignored, _NEVER)
    return shown.amax(-1), shown.amax(-2)


def box_projection(logits: Tensor, boxes: Tensor, eps: float, ignored: Tensor | None = None) -> Tensor:
    """One minus the dice of both projections, their mean: [N, h, w], [N, h, w] -> [N]."""
    pairs = zip(mask_projections(logits, ignored), box_projections(boxes, ignored), strict=True)
    rows, columns = (mask_dice(own, box.extent, eps, box.counted) for own, box in pairs)
    return (rows + columns) / 2


@torch.no_grad()
def box_quality(logits: Tensor, boxes: Tensor, ignored: Tensor | None = None) -> Tensor:
    """How well each mask fits its box, in [0, 1], as a score target: the product of the projections' dice."""
    pairs = zip(mask_projections(logits, ignored), box_projections(boxes, ignored), strict=True)
    rows, columns = (soft_dice(own, box.extent, box.counted) for own, box in pairs)
    return rows * columns


def point_bce(logits: Tensor, points: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Binary cross-entropy at points that a mask holds: [N, h, w], weights [N, h, w] -> [N]."""
    return _at_points(F.softplus(-logits), points, ignored)


@torch.no_grad()
def point_quality(logits: Tensor, points: Tensor, ignored: Tensor | None = None) -> Tensor:
    """The probability at the points, as a score target: [N, h, w], weights [N, h, w] -> [N]."""
    return _at_points(logits.sigmoid(), points, ignored)


def _at_points(values: Tensor, points: Tensor, ignored: Tensor | None) -> Tensor:
    weights = points if ignored is None else points.masked_fill(ignored, 0.0)
    return (values * weights).sum((-2, -1)) / weights.sum((-2, -1)).clamp(min=_TINY)
