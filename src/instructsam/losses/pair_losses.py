"""Losses of matched pairs, one value each, by what is known of the target: its mask, its box or points.

Shapes: P phrases, Q queries, N pairs, h w mask size. The layers of a decoder stand side by side: their queries are one
dimension, so every operation runs once for all layers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from instructsam.losses.criterion_config import CriterionConfig
from instructsam.losses.mask_losses import box_l1, generalized_iou, mask_bce, mask_dice, soft_dice
from instructsam.losses.matcher import Assignment
from instructsam.losses.points import sample_at, uncertain_points
from instructsam.losses.targets import BOX, KINDS, PaddedTargets
from instructsam.losses.weak_losses import box_projection, box_quality, point_bce, point_quality
from instructsam.structures.outputs import DetectionOutput

_DECIDED = 1e4  # logit of pixels at which no point is wanted


def pair_losses(
    config: CriterionConfig, layers: DetectionOutput, targets: PaddedTargets, pairs: Assignment
) -> tuple[dict[str, Tensor], Tensor]:
    """Mask and box losses of N pairs, unweighted, and the quality of their masks.

    Args:
        config: of the losses.
        layers: outputs of decoder layers, side by side.
        targets: of the phrases.
        pairs: queries are counted through all layers.

    Returns:
        float32 [N] by name, those of `config.pair_losses`, "box_projection" only where a target is known by its box;
        float32 [N] in [0, 1], without gradient.
    """
    place = pairs.phrase * layers.score_logits.shape[1] + pairs.query
    logits = layers.mask_logits.flatten(0, 1).index_select(0, place).float()
    wanted = targets.masks[pairs.phrase, pairs.target]
    ignored = None if targets.ignore is None else targets.ignore[pairs.phrase]
    counted = None if ignored is None else ~ignored.flatten(1)
    are = None if targets.known is None else [targets.are(kind)[pairs.phrase, pairs.target] for kind in KINDS]
    losses: dict[str, Tensor] = {}
    if "mask_bce" in config.pair_losses:
        values, labels, weights = _mask_values(config, logits, wanted, ignored)
        judged = weights
        if are is not None:  # a box tells that everything outside is background, and of no pixel inside
            outside = ~are[BOX][:, None] | (labels == 0)
            judged = outside if weights is None else weights & outside
        losses["mask_bce"] = mask_bce(values, labels, judged)
        losses["mask_dice"] = mask_dice(values, labels, config.dice_eps, weights)
    quality = soft_dice(logits.flatten(1), wanted.flatten(1), counted)
    if "box_l1" in config.pair_losses:
        boxes = layers.boxes_cxcywh.flatten(0, 1).index_select(0, place)
        wanted_boxes = targets.boxes_cxcywh[pairs.phrase, pairs.target]
        losses["box_l1"] = box_l1(boxes, wanted_boxes)
        losses["box_giou"] = 1 - generalized_iou(boxes, wanted_boxes)
    if are is None:
        return losses, quality
    is_mask, is_box, is_point = are
    if "mask_bce" in losses:
        losses["mask_bce"] = torch.where(is_point, point_bce(logits, wanted, ignored), losses["mask_bce"])
        losses["mask_dice"] = losses["mask_dice"] * is_mask
    if "box_l1" in losses:
        losses |= {name: losses[name] * ~is_point for name in ("box_l1", "box_giou")}
    if "box_projection" in config.pair_losses:
        losses["box_projection"] = box_projection(logits, wanted, config.dice_eps, ignored) * is_box
    weak = torch.where(is_box, box_quality(logits, wanted, ignored), point_quality(logits, wanted, ignored))
    return losses, torch.where(is_mask, quality, weak)


def _mask_values(
    config: CriterionConfig, logits: Tensor, targets: Tensor, ignored: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Values that the mask losses compare, [N, K] each, every pixel or sampled points; and which of them count."""
    if config.points is None:
        return logits.flatten(1), targets.flatten(1), None if ignored is None else ~ignored.flatten(1)
    undecided = logits.detach() if ignored is None else logits.detach().masked_fill(ignored, _DECIDED)
    points = uncertain_points(undecided, config.points)
    counted = None if ignored is None else sample_at(ignored.float(), points) == 0
    return sample_at(logits, points), sample_at(targets, points), counted


def score_losses(config: CriterionConfig, logits: Tensor, targets: Tensor) -> Tensor:
    """Loss of each score: float [...], targets in [0, 1] -> float32 [...]."""
    logits = logits.float()
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    if config.score_loss == "bce":
        return loss
    # Focal loss (arXiv 1708.02002) with soft targets (arXiv 2006.04388): zero at the target
    focus = (logits.sigmoid() - targets).abs() ** config.focal_gamma
    balance = torch.where(targets > 0, config.focal_alpha, 1 - config.focal_alpha)
    return balance * focus * loss


def in_ignored_pixels(mask_logits: Tensor, ignore: Tensor) -> Tensor:
    """Whether most of a predicted mask is ignored: [P, Q, h, w], bool [P, h, w] -> bool [P, Q]."""
    shown = (mask_logits.detach() > 0).float().flatten(2)
    hidden = (shown @ ignore.float().flatten(1)[:, :, None]).squeeze(-1)
    return hidden > shown.sum(-1) / 2
