"""Denoising: extra decoder queries start near a target's box and learn to predict that target.

Hungarian matching changes from step to step while a decoder is young. Queries that start from a target's own box with
noise need no matching: the loss of each compares it with the target that it was made from, so the decoder learns to
refine boxes and to draw masks before matching has settled. Source: DN-DETR (arXiv 2203.01305, sections 4.2 to 4.4).
DN-DETR gives these queries the class of their target; here they share one learned vector, which is not exported.
Targets that are known by a point have no box to start from and take no part.

Shapes: P phrases, M targets of the phrase with the most of them, G groups, E = G * M extra queries per phrase, group
by group, C detector width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from instructsam.losses.criterion import Criterion
from instructsam.losses.matcher import Assignment
from instructsam.losses.targets import POINT, PaddedTargets
from instructsam.model.detector.base import ExtraQueries
from instructsam.structures.outputs import DetectionOutput
from instructsam.training.objectives import Objective, ObjectiveContext, ObjectiveLoss, Step

NOISE = 0.4  # largest move of a centre in half sides, and of a side in sides
SMALLEST = 1e-3  # side of a box; the decoder's inverse sigmoid is clamped there
LOGGED = ("mask_dice", "box_l1", "score")


class Denoising(Objective):
    """Losses of the denoising queries, which all start from one learned vector; only their boxes differ."""

    def __init__(self, context: ObjectiveContext) -> None:
        super().__init__(context)
        self.criterion = context.criterion
        self.groups = context.settings.denoising_groups
        self.vector = nn.Parameter(torch.randn(context.model.config.detector_size))

    def extra_queries(self, step: Step) -> ExtraQueries | None:
        """The denoising queries, None where no phrase of the batch has a target."""
        noised = noised_targets(step.targets, self.groups, step.position)
        if noised is None:
            return None
        states = self.vector.expand(*noised.real.shape, -1)
        return ExtraQueries(states, noised.boxes_cxcywh, noised.group, noised.real)

    def forward(self, step: Step) -> ObjectiveLoss:
        """The loss of a step, see `denoising_loss`."""
        outputs = step.detections()
        pairs = noised_pairs(step.targets, self.groups, step.device)
        number = step.divisors.targets * self.groups
        return denoising_loss(self.criterion, outputs.segmentation.extra, step.targets, pairs, number)


@dataclass(frozen=True)
class NoisedTargets:
    """Every target of a batch, `groups` times, each time with other noise.

    Attributes:
        boxes_cxcywh: float32 [P, E, 4] in [0, 1].
        group: int64 [E], the group of each query.
        real: bool [P, E], False where a phrase has fewer than M targets, and for points.
    """

    boxes_cxcywh: Tensor
    group: Tensor
    real: Tensor


def noised_targets(
    targets: PaddedTargets, groups: int, position: Sequence[int], noise: float = NOISE
) -> NoisedTargets | None:
    """Targets of P phrases with noise on their boxes; None when no phrase has any.

    Args:
        targets: of all phrases that the detector answers.
        groups: G, how often each target comes.
        position: from `updates.position_of`: the noise is a function of them and of the shapes alone.
        noise: a centre moves by up to this share of half a side, a side grows or shrinks by up to this share.
    """
    most = max(targets.counts, default=0)
    if not most:
        return None
    boxes, device = targets.boxes_cxcywh, targets.masks.device
    rng = np.random.default_rng([*position, 0xDE2015E])
    drawn = rng.uniform(-noise, noise, (len(boxes), groups, most, 4)).astype(np.float32)
    moves, boxes = torch.from_numpy(drawn).to(device, non_blocking=True), boxes[:, None]
    centres = boxes[..., :2] + moves[..., :2] * boxes[..., 2:] / 2
    sides = boxes[..., 2:] * (1 + moves[..., 2:])
    noised = torch.cat([centres.clamp(0, 1), sides.clamp(SMALLEST, 1)], dim=-1).flatten(1, 2)
    group = torch.arange(groups, device=device).repeat_interleave(most)
    return NoisedTargets(noised, group, _real(targets, groups).to(device, non_blocking=True))


def noised_pairs(targets: PaddedTargets, groups: int, device: torch.device | str = "cpu") -> Assignment:
    """The real queries of `noised_targets` and the targets that they were made from.

    Args:
        targets: of all phrases that the detector answers.
        groups: G.
        device: of the result; nothing waits for it.
    """
    phrase, query = _real(targets, groups).nonzero(as_tuple=True)
    pairs = torch.stack([phrase, query, query % max(1, *targets.counts)])
    return Assignment(*pairs.to(device, non_blocking=True).unbind(0))


def _real(targets: PaddedTargets, groups: int) -> Tensor:
    """bool [P, E] on the host: which queries stand for a target that has a box."""
    real = torch.arange(max(targets.counts, default=0)) < torch.tensor(targets.counts)[:, None]
    if targets.known is not None:
        real &= targets.known != POINT
    return real.repeat(1, groups)


def denoising_loss(
    criterion: Criterion,
    layers: Sequence[DetectionOutput],
    targets: PaddedTargets,
    pairs: Assignment,
    num_pairs: float,
) -> ObjectiveLoss:
    """Loss of the denoising queries of one batch, zero where there are none.

    Args:
        criterion: computes it as for matched queries.
        layers: decoder layers' outputs for these queries; empty where no phrase has a target.
        targets: of the detected phrases.
        pairs: queries and their targets.
        num_pairs: divides every loss: targets times groups, mean over the batches of an update.

    Returns:
        The loss with, for the log, "dn_total", the same, and of the last layer, unweighted, "dn_mask_dice",
        "dn_box_l1" and "dn_score", as far as they are computed.
    """
    total = torch.zeros((), device=targets.masks.device)
    parts = dict.fromkeys(criterion.layer_losses, total)
    if layers:
        total, parts = criterion.judge(layers, targets, pairs, num_pairs)
    # the same names in every process, also in one whose batch has no target
    logged = {f"dn_{name}": parts[name] for name in LOGGED if name in criterion.layer_losses}
    return ObjectiveLoss(total, {"dn_total": total.detach(), **logged})
