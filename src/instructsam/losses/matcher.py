"""Which query answers for which target: Hungarian matching inside each phrase.

Source: DETR (arXiv 2005.12872, section 3.1); costs of the published model in `HungarianMatcher`'s defaults.
Shapes: P phrases of the batch, Q queries, M targets of the phrase with the most of them, N matched pairs, h w
mask size. All costs are float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from instructsam.config import Config
from instructsam.errors import ConfigError, InputError
from instructsam.losses.mask_losses import generalized_iou
from instructsam.losses.targets import PaddedTargets
from instructsam.structures.outputs import DetectionOutput


@dataclass(frozen=True)
class MatchCosts:
    """Unweighted costs, each float32 [P, Q, M]; values at padded targets are meaningless.

    Attributes:
        dice: one minus soft dice.
        bce: mean binary cross-entropy of the mask.
        score: softplus(-score_logits), the same for every target.
        box_l1: sum of absolute box differences, None when its weight is 0.
        box_giou: one minus generalised IoU, None when its weight is 0.
    """

    dice: Tensor
    bce: Tensor
    score: Tensor
    box_l1: Tensor | None = None
    box_giou: Tensor | None = None


@dataclass(frozen=True)
class Assignment:
    """Matched pairs of a batch, phrase by phrase: int64 [N] each, on the device of the outputs."""

    phrase: Tensor
    query: Tensor
    target: Tensor

    def __len__(self) -> int:
        return self.phrase.shape[0]

    def table(self, phrases: int, queries: int) -> Tensor:
        """int64 [P, Q]: the target of each query, -1 for an unmatched query."""
        table = torch.full((phrases, queries), -1, dtype=torch.int64, device=self.phrase.device)
        table[self.phrase, self.query] = self.target
        return table


class HungarianMatcher(Config):
    """Weights of the matching costs; calling it with layers of outputs gives one assignment per layer.

    Attributes:
        dice, bce, score: weights of the mask and score costs.
        box_l1, box_giou: weights of the box costs, 0 in the published model.
        dice_eps: added above and below in the dice cost.
    """

    dice: float = Field(default=0.5, ge=0, le=1_000_000)
    bce: float = Field(default=2.0, ge=0, le=1_000_000)
    score: float = Field(default=1.0, ge=0, le=1_000_000)
    box_l1: float = Field(default=0.0, ge=0, le=1_000_000)
    box_giou: float = Field(default=0.0, ge=0, le=1_000_000)
    dice_eps: float = Field(default=1e-3, ge=0, le=1_000_000)

    @model_validator(mode="after")
    def _check(self) -> HungarianMatcher:
        costs = ("dice", "bce", "score", "box_l1", "box_giou")
        if not any(getattr(self, name) for name in costs):
            raise ConfigError(f"dice or another cost must be above 0, got 0 for all of {', '.join(costs)}")
        return self

    @torch.no_grad()
    def __call__(
        self, layers: Sequence[DetectionOutput], targets: PaddedTargets, copies: Sequence[int] = ()
    ) -> list[Assignment]:
        """Matches every layer with its own outputs; the costs of all layers leave the device in one transfer.

        A phrase with more targets than queries gets Q of its targets matched, the cheapest ones.

        Args:
            layers: outputs of decoder layers.
            targets: of all phrases.
            copies: how many queries each target is given, one number per layer; empty for one everywhere.

        Raises:
            InputError: a cost is NaN or infinite.
        """
        if not layers:
            return []
        if max(targets.counts, default=0) == 0:
            none = torch.zeros(0, dtype=torch.int64, device=targets.masks.device)
            return [Assignment(none, none, none) for _ in layers]
        costs = [self.costs(layer, targets) for layer in layers]
        totals = torch.stack([self.total(cost) for cost in costs]).cpu().numpy()
        if not np.isfinite(totals).all():
            self._raise_not_finite(costs, totals)
        times = copies or [1] * len(layers)
        solved = [solve(total, targets.counts, repeats) for total, repeats in zip(totals, times, strict=True)]
        together = torch.from_numpy(np.concatenate(solved, axis=1)).to(
            targets.masks.device, non_blocking=True
        )
        pairs = together.split([layer.shape[1] for layer in solved], dim=1)
        return [Assignment(*layer.unbind(0)) for layer in pairs]

    @torch.no_grad()
    def costs(self, output: DetectionOutput, targets: PaddedTargets) -> MatchCosts:
        """Unweighted costs of one layer, all pairs of all phrases at once."""
        with torch.autocast(output.mask_logits.device.type, enabled=False):
            logits, wanted = output.mask_logits.float().flatten(2), targets.masks.flatten(2)
            probabilities = logits.sigmoid()
            overlap = probabilities @ wanted.mT
            sizes = probabilities.sum(-1)[:, :, None] + wanted.sum(-1)[:, None]
            dice = 1 - (2 * overlap + self.dice_eps) / (sizes + self.dice_eps)
            # softplus(x) - x t is the cross-entropy of logit x and target t: one matrix product for all pairs
            bce = (F.softplus(logits).sum(-1)[:, :, None] - logits @ wanted.mT) / logits.shape[-1]
            score = F.softplus(-output.score_logits.float())[:, :, None].expand_as(dice)
            boxes, wanted_boxes = output.boxes_cxcywh.float()[:, :, None], targets.boxes_cxcywh[:, None]
            box_l1 = (boxes - wanted_boxes).abs().sum(-1) if self.box_l1 else None
            box_giou = 1 - generalized_iou(boxes, wanted_boxes) if self.box_giou else None
        return MatchCosts(dice, bce, score, box_l1, box_giou)

    def total(self, costs: MatchCosts) -> Tensor:
        """Weighted sum of the costs, [P, Q, M]."""
        total = self.dice * costs.dice + self.bce * costs.bce + self.score * costs.score
        if costs.box_l1 is not None:
            total = total + self.box_l1 * costs.box_l1
        if costs.box_giou is not None:
            total = total + self.box_giou * costs.box_giou
        return total

    def _raise_not_finite(self, costs: Sequence[MatchCosts], totals: np.ndarray) -> None:
        layer, phrase, query, _ = (int(axis[0]) for axis in np.nonzero(~np.isfinite(totals)))
        parts = {field.name: getattr(costs[layer], field.name) for field in fields(MatchCosts)}
        bad = [name for name, part in parts.items() if part is not None and not part[phrase].isfinite().all()]
        raise InputError(
            f"matching costs must be finite, got NaN or infinity in {', '.join(bad) or 'their sum'} of layer "
            f"{layer}, phrase {phrase}, query {query}: the model has diverged; lower the learning rate"
        )


def solve(total: np.ndarray, counts: Sequence[int], copies: int = 1) -> np.ndarray:
    """Costs [P, Q, M] -> int64 [3, N]: phrase, query and target of each matched pair.

    With `copies` each target is given so many queries, or as many as there are for all of them alike.
    """
    # the cheapest query of a single target needs no solver: most of a training step's phrases
    single = np.flatnonzero(np.equal(counts, 1)) if copies == 1 else np.zeros(0, dtype=np.int64)
    pairs = [np.stack([single, total[single, :, :1].argmin(axis=1).ravel(), np.zeros_like(single)])]
    for phrase, count in enumerate(counts):
        if count > 1 or (count and copies > 1):
            times = max(1, min(copies, total.shape[1] // count))
            queries, chosen = linear_sum_assignment(np.tile(total[phrase, :, :count], times))
            chosen = chosen % count
            pairs.append(np.stack([np.full_like(queries, phrase), queries, chosen]))
    together = np.concatenate(pairs, axis=1).astype(np.int64)
    return together[:, together[0].argsort(kind="stable")]
