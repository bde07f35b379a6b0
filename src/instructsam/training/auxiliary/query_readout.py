"""Query readout: deep supervision of the instance queries before the detector.

The detector is most of the cost of a training step, and the language model learns which instances are meant only
through it. So one linear layer predicts a box and a score from every query state of the VLM. The predictions are
matched and compared with the targets like those of a decoder layer (DETR's auxiliary losses, arXiv 2005.12872). With
this objective the detector need not answer every phrase of a batch: all phrases train the language model, some the
detector.

Shapes: P phrases, Q queries, D VLM width, N matched pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instructsam.losses.mask_losses import box_l1, generalized_iou
from instructsam.losses.matcher import solve
from instructsam.losses.targets import POINT, PaddedTargets
from instructsam.training.objectives import Objective, ObjectiveContext, ObjectiveLoss, Step, weighted

# As in the criterion's default preset; a query without a target has its share of the score loss only.
WEIGHTS = {"score": 12.0, "l1": 5.0, "giou": 2.0}


class QueryReadout(Objective):
    """Boxes and scores from query states by a linear probe."""

    probes = ("language_model",)

    def __init__(self, context: ObjectiveContext) -> None:
        super().__init__(context)
        self.linear = nn.Linear(context.model.config.hidden_size, 5)

    def forward(self, step: Step) -> ObjectiveLoss:
        """The loss of all phrases, also of those that the detector does not answer."""
        outputs = step.detections()
        states = outputs.segmentation.query_states
        if states is None:
            raise RuntimeError("the model returned no query states: its stage must not list this objective")
        boxes, logits = predict(self.linear, states, outputs.slot_boxes)
        numbers = (step.divisors.all_targets, step.divisors.all_phrases)
        return weighted(readout_losses(boxes, logits, step.all_targets, *numbers), WEIGHTS, "readout")


def predict(linear: nn.Linear, query_states: Tensor, slot_boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes cxcywh in [0, 1], float32 [P, Q, 4], and score logits, float32 [P, Q].

    Args:
        linear: D -> 5; boxes are moves from the slots' boxes.
        query_states: float [P, Q, D].
        slot_boxes: float [Q, 4], cxcywh in [0, 1].
    """
    output = linear(query_states).float()
    return (output[..., :4] + slot_boxes.detach().float().logit(eps=1e-6)).sigmoid(), output[..., 4]


def readout_losses(
    boxes: Tensor, logits: Tensor, targets: PaddedTargets, num_targets: float, num_phrases: float
) -> dict[str, Tensor]:
    """The losses "score", "l1" and "giou", unweighted.

    Args:
        boxes, logits: from `predict`.
        targets: of all P phrases; a phrase without target trains scores alone.
        num_targets: divides the box losses, above 0.
        num_phrases: divides the score losses, above 0.
    """
    phrase, query, target = _match(boxes.detach(), logits.detach(), targets)
    labels = torch.zeros_like(logits)
    labels[phrase, query] = 1.0
    matched, wanted = boxes[phrase, query], targets.boxes_cxcywh[phrase, target]
    l1, giou = box_l1(matched, wanted), 1 - generalized_iou(matched, wanted)
    if targets.known is not None:
        has_box = ~targets.are(POINT)[phrase, target]
        l1, giou = l1 * has_box, giou * has_box
    scores = F.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
    return {
        "score": scores / (num_phrases * logits.shape[1]),
        "l1": l1.sum() / num_targets,
        "giou": giou.sum() / num_targets,
    }


def _match(boxes: Tensor, logits: Tensor, targets: PaddedTargets) -> tuple[Tensor, Tensor, Tensor]:
    """Hungarian matching inside each phrase: phrase, query and target of each pair, int64 [N].

    The box of a point is one pixel, so that the nearest query is the best.
    """
    known = targets.boxes_cxcywh
    own, others = boxes[:, :, None], known[:, None]
    distance, overlap = (own - others).abs().sum(-1), 1 - generalized_iou(own, others)
    cost = WEIGHTS["l1"] * distance + WEIGHTS["giou"] * overlap + F.softplus(-logits)[:, :, None]
    solved = solve(cost.cpu().numpy(), targets.counts)
    phrase, query, target = torch.from_numpy(solved).to(boxes.device, non_blocking=True)
    return phrase, query, target


def detected_phrases(count: int, fraction: float, position: Sequence[int]) -> Tensor | None:
    """The phrases that the detector answers, ascending int64; None for all.

    Args:
        count: phrases of the batch.
        fraction: how many of them, in (0, 1]; at least one.
        position: from `updates.position_of`: the choice is a function of them alone.
    """
    number = max(1, round(fraction * count))
    if number >= count:
        return None
    order = np.random.default_rng([*position, 0xDE7EC7]).permutation(count)[:number]
    return torch.from_numpy(np.sort(order))
