"""The training loss: matching, then text, mask, score, box, semantic and presence losses.

Shapes: B samples, L tokens, V vocabulary, P phrases of the batch, Q queries per phrase, N matched pairs, h w
mask size. Everything is computed in float32 whatever the model ran in. Source: InstructSAM (arXiv 2605.26102)
for the published preset; auxiliary and box losses from DETR (arXiv 2005.12872).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from instructsam.errors import InputError
from instructsam.losses.criterion_config import CriterionConfig
from instructsam.losses.mask_losses import box_l1, generalized_iou, mask_bce, mask_dice, soft_dice
from instructsam.losses.matcher import Assignment
from instructsam.losses.points import sample_at, uncertain_points
from instructsam.losses.targets import PaddedTargets, pad_targets
from instructsam.structures.outputs import DetectionOutput, PhraseTarget, SegmentationOutput

__all__ = ["Criterion", "CriterionConfig", "CriterionOutput", "text_loss"]


@dataclass(frozen=True)
class CriterionOutput:
    """One batch's loss.

    Attributes:
        total: scalar to differentiate.
        parts: detached scalars: each loss under its weight's name, unweighted, of the last decoder layer (a
            loss that the output offers no logits for, or that weighs 0, is missing); "auxiliary", the
            weighted sum of the earlier layers before `auxiliary_weight`; "unassigned_targets", how many
            targets found no query because their phrase has more targets than queries.
        assignment: the last layer's matched pairs.
        targets: the padded targets.
    """

    total: Tensor
    parts: dict[str, Tensor]
    assignment: Assignment
    targets: PaddedTargets


class Criterion:
    """Computes the loss of a batch; holds no state besides its configuration.

    Mask and box losses are sums over matched pairs divided by the number of target instances (at least 1);
    score losses are means over queries ("bce") or sums over queries ("focal"), averaged over phrases;
    semantic and presence losses are means over phrases; text loss is the mean over supervised tokens. A
    phrase without target has all score targets, its presence target and its semantic target at zero and no
    mask or box loss, whatever stands beside it. With several processes the means are each process's own, and the
    gradients are averaged: phrases of a process with fewer of them weigh a little more.
    """

    def __init__(self, config: CriterionConfig) -> None:
        self.config = config

    def __call__(
        self,
        output: SegmentationOutput,
        targets: Sequence[PhraseTarget] | PaddedTargets,
        labels: Tensor | None = None,
        num_targets: Tensor | float | None = None,
    ) -> CriterionOutput:
        """Loss of one batch.

        Args:
            output: the model's output; `auxiliary` is used when `auxiliary_weight` is above 0.
            targets: one per phrase, in the output's order; or those from `pad`.
            labels: int64 [B, L], -100 where nothing is supervised; None leaves the text loss out.
            num_targets: instances to divide mask and box losses by; give the mean over processes (or over
                accumulated batches), so that gradients equal those of one big batch. None: this batch's own
                number.

        Raises:
            InputError: outputs and targets do not fit together, or a matching cost is not finite.
        """
        config = self.config
        padded = targets if isinstance(targets, PaddedTargets) else self.pad(output, targets)
        wanted, found = output.mask_logits.shape, padded.masks.shape
        if (wanted[0], *wanted[2:]) != (found[0], *found[2:]):
            raise InputError(
                f"targets must have phrases and size of the masks {tuple(wanted)}, got {tuple(found)}"
            )
        with torch.autocast(output.mask_logits.device.type, enabled=False):
            number = sum(padded.counts) if num_targets is None else num_targets
            divisor = torch.as_tensor(number, dtype=torch.float32, device=padded.masks.device).clamp(min=1)
            earlier = output.auxiliary if config.auxiliary_weight else ()
            copies = [1, *[config.auxiliary_copies] * len(earlier)]
            assignments = config.matcher((output, *earlier), padded, copies)
            losses = self._layer_losses(output, padded, assignments[0], divisor)
            losses |= self._phrase_losses(output, padded)
            if labels is not None and config.weight("text"):
                losses["text"] = text_loss(output.text_logits, labels)
            total = self._weighted(losses)
            parts = {name: loss.detach() for name, loss in losses.items()}
            if earlier:
                once = max(len(assignments[0]), 1)
                rest = [
                    self._weighted(
                        self._layer_losses(layer, padded, pairs, divisor * max(len(pairs), 1) / once)
                    )
                    for layer, pairs in zip(earlier, assignments[1:], strict=True)
                ]
                auxiliary = torch.stack(rest).sum()
                total = total + config.auxiliary_weight * auxiliary
                parts["auxiliary"] = auxiliary.detach()
            queries = output.score_logits.shape[1]
            unassigned = sum(max(count - queries, 0) for count in padded.counts)
            parts["unassigned_targets"] = torch.tensor(float(unassigned), device=total.device)
        return CriterionOutput(total, parts, assignments[0], padded)

    def judge(
        self, layers: Sequence[DetectionOutput], targets: PaddedTargets, pairs: Assignment, num_pairs: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of queries whose target is known, so that nothing is matched.

        Args:
            layers: the last decoder layer last; earlier ones count when `auxiliary_weight` is above 0.
            targets: of the layers' phrases.
            pairs: N queries with their targets, the same in every layer; queries in no pair are ignored.
            num_pairs: divides the sums over pairs, at least 1.

        Returns:
            the total to differentiate; detached mask, score and box losses of the last layer, unweighted.
        """
        device = targets.masks.device
        with torch.autocast(device.type, enabled=False):
            divisor = torch.as_tensor(num_pairs, dtype=torch.float32, device=device).clamp(min=1)
            # each pair becomes a phrase of its own with one query, so that the score losses count pairs too
            rows = torch.arange(len(pairs), device=device)
            alone = Assignment(rows, torch.zeros_like(rows), torch.zeros_like(rows))
            place = (pairs.phrase, pairs.target)
            wanted = PaddedTargets(
                targets.masks[place][:, None], targets.boxes_cxcywh[place][:, None], (1,) * len(pairs)
            )
            judged = []
            for layer in layers if self.config.auxiliary_weight else layers[-1:]:
                tensors = (layer.mask_logits, layer.score_logits, layer.boxes_cxcywh)
                picked = DetectionOutput(*(tensor[pairs.phrase, pairs.query][:, None] for tensor in tensors))
                losses = self._layer_losses(picked, wanted, alone, divisor)
                losses["score"] = losses["score"] * len(pairs) / divisor  # a mean until here
                judged.append(losses)
            total = self._weighted(judged[-1])
            if len(judged) > 1:
                earlier = torch.stack([self._weighted(losses) for losses in judged[:-1]]).sum()
                total = total + self.config.auxiliary_weight * earlier
        return total, {name: loss.detach() for name, loss in judged[-1].items()}

    def pad(self, output: SegmentationOutput, targets: Sequence[PhraseTarget]) -> PaddedTargets:
        """Targets of all phrases of an output, at its mask size.

        Raises:
            InputError: as in `__call__`.
        """
        phrases, _, height, width = output.mask_logits.shape
        if len(targets) != phrases or not targets:
            raise InputError(
                f"expected one target per phrase, at least one, got {len(targets)} for {phrases}"
            )
        device = output.mask_logits.device
        with torch.autocast(device.type, enabled=False):
            return pad_targets(targets, (height, width), device, self.config.target_resize)

    @property
    def layer_losses(self) -> tuple[str, ...]:
        """Names of the losses of one decoder layer, presence left out."""
        weight = self.config.weight
        masks = ("mask_bce", "mask_dice") if weight("mask_bce") or weight("mask_dice") else ()
        boxes = ("box_l1", "box_giou") if weight("box_l1") or weight("box_giou") else ()
        return ("score", *masks, *boxes)

    def _weighted(self, losses: dict[str, Tensor]) -> Tensor:
        return torch.stack([self.config.weight(name) * loss for name, loss in losses.items()]).sum()

    def _layer_losses(
        self, layer: DetectionOutput, targets: PaddedTargets, pairs: Assignment, divisor: Tensor
    ) -> dict[str, Tensor]:
        """Mask, score, box and presence losses of one decoder layer, unweighted."""
        names = self.layer_losses
        logits = layer.mask_logits[pairs.phrase, pairs.query].float()
        wanted = targets.masks[pairs.phrase, pairs.target]
        quality = soft_dice(logits.flatten(1), wanted.flatten(1))
        losses = {"score": self._score_loss(layer.score_logits, pairs, quality)}
        if "mask_bce" in names:
            values, labels = self._mask_values(logits, wanted)
            losses["mask_bce"] = mask_bce(values, labels).sum() / divisor
            losses["mask_dice"] = mask_dice(values, labels, self.config.dice_eps).sum() / divisor
        if "box_l1" in names:
            boxes = layer.boxes_cxcywh[pairs.phrase, pairs.query]
            wanted_boxes = targets.boxes_cxcywh[pairs.phrase, pairs.target]
            losses["box_l1"] = box_l1(boxes, wanted_boxes).sum() / divisor
            losses["box_giou"] = (1 - generalized_iou(boxes, wanted_boxes)).sum() / divisor
        if layer.presence_logits is not None and self.config.weight("presence"):
            logits = layer.presence_logits.float()
            present = torch.tensor([float(count > 0) for count in targets.counts], device=logits.device)
            losses["presence"] = F.binary_cross_entropy_with_logits(logits, present)
        return losses

    def _mask_values(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Values that the mask losses compare, [N, K] each: every pixel or sampled points."""
        if self.config.points is None:
            return logits.flatten(1), targets.flatten(1)
        points = uncertain_points(logits.detach(), self.config.points)
        return sample_at(logits, points), sample_at(targets, points)

    def _score_loss(self, score_logits: Tensor, pairs: Assignment, quality: Tensor) -> Tensor:
        config, logits = self.config, score_logits.float()
        targets = torch.zeros_like(logits)
        targets[pairs.phrase, pairs.query] = quality.clamp(min=config.score_target_floor)
        loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        if config.score_loss == "bce":
            return loss.mean()
        # Focal loss (arXiv 1708.02002) with soft targets (arXiv 2006.04388): zero at the target
        focus = (logits.sigmoid() - targets).abs() ** config.focal_gamma
        balance = torch.where(targets > 0, config.focal_alpha, 1 - config.focal_alpha)
        return (balance * focus * loss).sum(1).mean()

    def _phrase_losses(self, output: SegmentationOutput, targets: PaddedTargets) -> dict[str, Tensor]:
        """Losses of the per-phrase semantic mask, whose target is the union of the phrase's instances."""
        config, logits = self.config, output.semantic_logits
        if logits is None or not (config.weight("semantic_bce") or config.weight("semantic_dice")):
            return {}
        wanted = targets.regions()
        if logits.shape != wanted.shape:
            raise InputError(
                f"semantic_logits must be {tuple(wanted.shape)} like the masks, got {tuple(logits.shape)}"
            )
        logits, wanted = logits.flatten(1), wanted.flatten(1)
        return {
            "semantic_bce": mask_bce(logits, wanted).mean(),
            "semantic_dice": mask_dice(logits, wanted, self.config.dice_eps).mean(),
        }


def text_loss(text_logits: Tensor | None, labels: Tensor) -> Tensor:
    """Next-token cross-entropy, mean over supervised tokens: float [B, L, V], int64 [B, L] -> scalar.

    Logits [N, V] are those of the supervised tokens alone, with their next tokens, int64 [N], as labels.

    The logits at position i are compared with the label at i + 1. Labels of -100 are ignored; without any other label
    the loss is 0.

    Raises:
        InputError: logits are missing or do not fit the labels.
    """
    if text_logits is None or text_logits.shape[:-1] != labels.shape:
        got = "none" if text_logits is None else f"shape {tuple(text_logits.shape)}"
        raise InputError(f"labels {tuple(labels.shape)} need text_logits (B, L, V), got {got}")
    if labels.dim() == 1:
        return F.cross_entropy(text_logits.float(), labels, reduction="sum") / max(len(labels), 1)
    wanted = labels[:, 1:]
    supervised = wanted != -100  # picked before the conversion to float32: most positions are unsupervised
    logits = text_logits[:, :-1][supervised].float()
    return F.cross_entropy(logits, wanted[supervised], reduction="sum") / supervised.sum().clamp(min=1)
