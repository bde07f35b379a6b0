"""Denoising queries: extra decoder queries that are told roughly where a target lies, and learn to get it right.

Hungarian matching changes its mind from step to step while a decoder is young. Queries that start from a target's own
box with noise need no matching: each is judged by the target that it was made from, so the decoder learns to refine
boxes and to draw masks before matching has settled. Source: DN-DETR (arXiv 2203.01305, sections 4.2 to 4.4). Where it
gives them the class of their target, ours get one learned vector, which is left behind after training.

Shapes: P phrases, M targets of the phrase with the most of them, G groups, E = G * M extra queries per phrase, group
by group, C detector width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from instructsam.losses.criterion import Criterion, CriterionOutput
from instructsam.losses.matcher import Assignment
from instructsam.model.detector.base import ExtraQueries
from instructsam.structures.outputs import PhraseTarget, SegmentationOutput

NOISE = 0.4  # largest move of a centre in half sides, and of a side in sides
SMALLEST = 1e-3  # side of a box; the decoder's inverse sigmoid knows nothing smaller
LOGGED = ("mask_dice", "box_l1", "score")


@dataclass(frozen=True)
class NoisedTargets:
    """Every target of a batch, `groups` times, each time with other noise.

    Attributes:
        boxes_cxcywh: float32 [P, E, 4] in [0, 1].
        group: int64 [E], the group of each query.
        real: bool [P, E], False where a phrase has fewer than M targets.
        pairs: the real queries and the targets that they were made from.
        groups: G.
    """

    boxes_cxcywh: Tensor
    group: Tensor
    real: Tensor
    pairs: Assignment
    groups: int


class DenoisingQuery(nn.Module):
    """The learned vector that every denoising query starts from; its box alone says which target it means."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.randn(width))

    def forward(self, noised: NoisedTargets) -> ExtraQueries:
        """What the decoder takes besides the ordinary queries."""
        states = self.vector.expand(*noised.real.shape, -1)
        return ExtraQueries(states, noised.boxes_cxcywh, noised.group, noised.real)


def noised_targets(
    targets: Sequence[PhraseTarget], groups: int, position: Sequence[int], noise: float = NOISE
) -> NoisedTargets | None:
    """Targets of P phrases with noise on their boxes; None when no phrase has any.

    Args:
        targets: of all phrases that the detector answers.
        groups: G, how often each target comes.
        position: seed, batch and process: the noise is a function of them and of the shapes alone.
        noise: a centre moves by up to this share of half a side, a side grows or shrinks by up to this share.
    """
    counts = torch.tensor([len(target.boxes_cxcywh) for target in targets])
    most = int(counts.max()) if len(targets) else 0
    if not most:
        return None
    boxes = nn.utils.rnn.pad_sequence([target.boxes_cxcywh.float() for target in targets], batch_first=True)
    device = boxes.device
    rng = np.random.default_rng([*position, 0xDE2015E])
    drawn = rng.uniform(-noise, noise, (len(targets), groups, most, 4)).astype(np.float32)
    moves, boxes = torch.from_numpy(drawn).to(device), boxes[:, None]
    centres = boxes[..., :2] + moves[..., :2] * boxes[..., 2:] / 2
    sides = boxes[..., 2:] * (1 + moves[..., 2:])
    noised = torch.cat([centres.clamp(0, 1), sides.clamp(SMALLEST, 1)], dim=-1).flatten(1, 2)
    real = (torch.arange(most) < counts[:, None]).repeat(1, groups)
    phrase, query = real.nonzero(as_tuple=True)  # on the host: the device is not waited for
    pairs = Assignment(*torch.stack([phrase, query, query % most]).to(device).unbind(0))
    group = torch.arange(groups, device=device).repeat_interleave(most)
    return NoisedTargets(noised, group, real.to(device), pairs, groups)


def denoising_loss(
    criterion: Criterion,
    output: SegmentationOutput,
    result: CriterionOutput,
    noised: NoisedTargets | None,
    num_targets: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of the denoising queries of one batch, zero where there are none.

    Args:
        criterion: judges them as it judges matched queries.
        output: the model's output for `noised`.
        result: what the criterion said of the same output's ordinary queries.
        num_targets: targets of the batch (mean over processes); times the groups it divides every loss.

    Returns:
        the loss to differentiate, and detached for the log "dn_total", the same, and of the last layer, unweighted,
        "dn_mask_dice", "dn_box_l1" and "dn_score", as far as they are computed.
    """
    total = torch.zeros((), device=output.mask_logits.device)
    parts = dict.fromkeys(result.parts, total)
    if noised is not None:
        number = num_targets * noised.groups
        total, parts = criterion.judge(output.extra, result.targets, noised.pairs, number)
    # the same names in every process, also in one whose batch has no target
    logged = {f"dn_{name}": parts[name] for name in LOGGED if name in result.parts}
    return total, {"dn_total": total.detach(), **logged}
