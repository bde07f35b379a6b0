"""A teacher for the instance queries: what each query state already says before any detector has seen it.

The detector is most of what a training step costs, and the language model learns which instances are meant only
through it. So one linear layer reads a box and a score from every query state that the VLM hands over, is matched and
judged like a decoder layer (deep supervision, as DETR's auxiliary losses, arXiv 2005.12872), and is thrown away after
training. With it the detector need not answer every phrase of a batch: all phrases teach the language model, some the
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
from instructsam.structures.outputs import PhraseTarget

# As in the criterion's default preset; a query without a target costs its share of the score loss only.
L1_WEIGHT, GIOU_WEIGHT, SCORE_WEIGHT = 5.0, 2.0, 12.0


class QueryReader(nn.Module):
    """Reads boxes and scores from query states [P, Q, D]; boxes are moves from where each query's slot looks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 5)

    def forward(self, query_states: Tensor, reference_points: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes cxcywh in [0, 1], float32 [P, Q, 4], and score logits, float32 [P, Q].

        Args:
            query_states: float [P, Q, D].
            reference_points: float [Q, 4], the slots' boxes before their sigmoid.
        """
        read = self.linear(query_states).float()
        return (read[..., :4] + reference_points.detach().float()).sigmoid(), read[..., 4]


def reading_loss(
    boxes: Tensor, logits: Tensor, targets: Sequence[PhraseTarget], num_targets: float
) -> dict[str, Tensor]:
    """Weighted losses of what was read: "read_score", "read_l1", "read_giou".

    Args:
        boxes, logits: of a `QueryReader`.
        targets: of all P phrases; a phrase without target teaches scores alone.
        num_targets: divides the box losses, at least 1.
    """
    phrase, query, wanted = _match(boxes.detach(), logits.detach(), targets)
    labels = torch.zeros_like(logits)
    labels[phrase, query] = 1.0
    matched, divisor = boxes[phrase, query], max(num_targets, 1.0)
    return {
        "read_score": SCORE_WEIGHT * F.binary_cross_entropy_with_logits(logits, labels),
        "read_l1": L1_WEIGHT * box_l1(matched, wanted).sum() / divisor,
        "read_giou": GIOU_WEIGHT * (1 - generalized_iou(matched, wanted)).sum() / divisor,
    }


def _match(boxes: Tensor, logits: Tensor, targets: Sequence[PhraseTarget]) -> tuple[Tensor, Tensor, Tensor]:
    """Hungarian matching inside each phrase: phrase and query of each pair, int64 [N], and its target box [N, 4]."""
    known = nn.utils.rnn.pad_sequence([target.boxes_cxcywh for target in targets], batch_first=True)
    own, others = boxes[:, :, None], known[:, None]
    cost = L1_WEIGHT * (own - others).abs().sum(-1) + GIOU_WEIGHT * (1 - generalized_iou(own, others))
    cost = cost + F.softplus(-logits)[:, :, None]
    counts = [len(target.boxes_cxcywh) for target in targets]
    phrase, query, which = torch.from_numpy(solve(cost.cpu().numpy(), counts)).to(boxes.device)
    return phrase, query, known[phrase, which]


def detected_phrases(count: int, share: float, position: Sequence[int]) -> Tensor | None:
    """Which of `count` phrases the detector answers, ascending int64; None for all.

    Args:
        count: phrases of the batch.
        share: how many of them, in (0, 1]; at least one.
        position: seed, batch and process: the choice is a function of them alone.
    """
    number = max(1, round(share * count))
    if number >= count:
        return None
    order = np.random.default_rng([*position, 0xDE7EC7]).permutation(count)[:number]
    return torch.from_numpy(np.sort(order))
