"""Costs of matching queries to targets, by what is known of a target: its mask, its box or points.

Shapes: P phrases of the batch, Q queries, M targets of the phrase with the most of them, h w mask size. All costs are
float32; values at padded targets are meaningless.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from instructsam.losses.mask_losses import generalized_iou
from instructsam.losses.targets import BOX, POINT, PaddedTargets
from instructsam.losses.weak_losses import box_projections, mask_projections
from instructsam.structures.outputs import DetectionOutput


@dataclass(frozen=True)
class MatchCosts:
    """Unweighted costs, each float32 [P, Q, M].

    Attributes:
        dice: one minus soft dice of the mask, or of the projections of a box, or one minus the probability at points.
        bce: mean binary cross-entropy of the mask, or outside a box, or at points.
        score: softplus(-score_logits), the same for every target.
        box_l1: sum of absolute box differences, 0 for points; None when its weight is 0.
        box_giou: one minus generalised IoU, 0 for points; None when its weight is 0.
    """

    dice: Tensor
    bce: Tensor
    score: Tensor
    box_l1: Tensor | None = None
    box_giou: Tensor | None = None


def match_costs(
    output: DetectionOutput, targets: PaddedTargets, dice_eps: float, box_l1: bool, box_giou: bool
) -> MatchCosts:
    """Costs of all pairs of all phrases at once.

    Args:
        output: of one layer, or of layers side by side.
        targets: of the phrases.
        dice_eps: added above and below in the dice costs.
        box_l1, box_giou: whether these are computed.
    """
    with torch.autocast(output.mask_logits.device.type, enabled=False):
        masks = _Products(output, targets)
        dice = 1 - (2 * masks.overlap + dice_eps) / (masks.sizes + dice_eps)
        # softplus(x) - x t is the cross-entropy of logit x and target t: one matrix product for all pairs
        bce = (masks.background - masks.inside) / masks.pixels
        score = F.softplus(-output.score_logits.float())[:, :, None].expand_as(dice)
        boxes, wanted = output.boxes_cxcywh.float()[:, :, None], targets.boxes_cxcywh[:, None]
        costs = MatchCosts(
            dice,
            bce,
            score,
            (boxes - wanted).abs().sum(-1) if box_l1 else None,
            1 - generalized_iou(boxes, wanted) if box_giou else None,
        )
        return costs if targets.known is None else _with_weak(costs, masks, output, targets, dice_eps)


class _Products:
    """Sums over the pixels that count: of each mask, of each target, and of their products."""

    def __init__(self, output: DetectionOutput, targets: PaddedTargets) -> None:
        logits, wanted = output.mask_logits.float().flatten(2), targets.masks.flatten(2)
        probabilities, background = logits.sigmoid(), F.softplus(logits)
        self.pixels: Tensor | int = logits.shape[-1]
        if targets.ignore is not None:
            counted = (~targets.ignore).flatten(1)[:, None].float()
            wanted, self.pixels = wanted * counted, counted.sum(-1, keepdim=True).clamp(min=1)
            probabilities, background = probabilities * counted, background * counted
        self.overlap = probabilities @ wanted.mT
        self.held = wanted.sum(-1)[:, None]
        self.sizes = probabilities.sum(-1)[:, :, None] + self.held
        self.background = background.sum(-1)[:, :, None]
        self.inside = logits @ wanted.mT
        self.covered = background @ wanted.mT if targets.known is not None else self.background


def _with_weak(
    costs: MatchCosts, masks: _Products, output: DetectionOutput, targets: PaddedTargets, dice_eps: float
) -> MatchCosts:
    """The costs, with those of boxes and points where no mask is known."""
    is_box, is_point = (targets.are(kind)[:, None] for kind in (BOX, POINT))
    outside = (masks.background - masks.covered) / masks.pixels
    held = masks.held.clamp(min=1e-6)
    at_points = (masks.covered - masks.inside) / held
    bce = torch.where(is_box, outside, torch.where(is_point, at_points, costs.bce))
    dice = torch.where(is_point, 1 - masks.overlap / held, costs.dice)
    dice = torch.where(is_box, _projection_cost(output, targets, dice_eps), dice)
    box_l1, box_giou = (None if cost is None else cost * ~is_point for cost in (costs.box_l1, costs.box_giou))
    return MatchCosts(dice, bce, costs.score, box_l1, box_giou)


def _projection_cost(output: DetectionOutput, targets: PaddedTargets, eps: float) -> Tensor:
    """One minus the dice of both projections, their mean: [P, Q, M]."""
    ignored = None if targets.ignore is None else targets.ignore[:, None]
    found = mask_projections(output.mask_logits.float(), ignored)
    costs = []
    for logits, box in zip(found, box_projections(targets.masks, ignored), strict=True):
        own, extent = logits.sigmoid(), box.extent
        sizes = own.sum(-1)[:, :, None]
        if box.counted is not None:
            extent, sizes = extent * box.counted, own @ box.counted.float().mT
        costs.append(1 - (2 * own @ extent.mT + eps) / (sizes + extent.sum(-1)[:, None] + eps))
    return (costs[0] + costs[1]) / 2
