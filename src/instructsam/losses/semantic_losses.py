"""Losses of a phrase's semantic map, whose target is the union of the phrase's instances.

The instances decide how much of the union is known. With masks it is known everywhere. With boxes it is known outside
the boxes and in the masks, and its projections onto both axes are known. With points it is known in the masks and at
the points.

Shapes: P phrases, h w mask size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instructsam.losses.mask_losses import mask_bce, mask_dice
from instructsam.losses.targets import BOX, MASK, POINT, PaddedTargets
from instructsam.losses.weak_losses import box_projection


def semantic_losses(
    logits: Tensor, targets: PaddedTargets, dice_eps: float, num_phrases: float
) -> dict[str, Tensor]:
    """ "semantic_bce" and "semantic_dice" of P maps [P, h, w], sums over phrases divided by their number, unweighted.

    The dice of a phrase with boxes is that of the projections; a phrase with points has none.
    """
    flat, eps = logits.flatten(1), dice_eps
    if targets.known is None:
        wanted = targets.regions().flatten(1)
        counted = None if targets.ignore is None else ~targets.ignore.flatten(1)
        bce, dice = mask_bce(flat, wanted, counted), mask_dice(flat, wanted, eps, counted)
        return {"semantic_bce": bce.sum() / num_phrases, "semantic_dice": dice.sum() / num_phrases}
    masks, boxes, points = (targets.regions(kind) for kind in (MASK, BOX, POINT))
    with_boxes, with_points = (targets.are(kind).any(1) for kind in (BOX, POINT))
    outside = (boxes == 0) & ~with_points[:, None, None]
    known = outside | (masks > 0) | (points > 0)
    if targets.ignore is not None:
        known &= ~targets.ignore
    wanted, counted = torch.maximum(masks, (points > 0).float()).flatten(1), known.flatten(1)
    bce, exact = mask_bce(flat, wanted, counted), mask_dice(flat, wanted, eps, counted)
    projected = box_projection(logits.float(), torch.maximum(masks, boxes), eps, targets.ignore)
    dice = torch.where(with_boxes, projected, exact) * ~with_points
    return {"semantic_bce": bce.sum() / num_phrases, "semantic_dice": dice.sum() / num_phrases}
