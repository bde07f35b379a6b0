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
from pydantic import Field, model_validator
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from instructsam.config import Config
from instructsam.errors import ConfigError, InputError
from instructsam.losses.layers import side_by_side
from instructsam.losses.match_costs import MatchCosts, match_costs
from instructsam.losses.targets import PaddedTargets
from instructsam.structures.outputs import DetectionOutput


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
        queries = layers[0].score_logits.shape[1]
        together, sizes = self.match(side_by_side(layers), targets, copies or [1] * len(layers))
        parts = zip(*(part.split(sizes) for part in vars(together).values()), strict=True)
        return [
            Assignment(phrase, query - layer * queries, target)
            for layer, (phrase, query, target) in enumerate(parts)
        ]

    @torch.no_grad()
    def match(
        self, layers: DetectionOutput, targets: PaddedTargets, copies: Sequence[int]
    ) -> tuple[Assignment, list[int]]:
        """Matches layers that stand side by side, each by itself.

        Args:
            layers: see `side_by_side`.
            targets, copies: as in `__call__`; one number per layer.

        Returns:
            the pairs of all layers, layer by layer, with queries counted through all layers; the number of each layer.

        Raises:
            InputError: as in `__call__`.
        """
        device = targets.masks.device
        if max(targets.counts, default=0) == 0:
            none = torch.zeros(0, dtype=torch.int64, device=device)
            return Assignment(none, none, none), [0] * len(copies)
        costs = self.costs(layers, targets)
        totals = self.total(costs).cpu().numpy()
        if not np.isfinite(totals).all():
            self._raise_not_finite(costs, totals, len(copies))
        queries = totals.shape[1] // len(copies)
        solved = []
        for layer, repeats in enumerate(copies):
            first = layer * queries
            pairs = solve(totals[:, first : first + queries], targets.counts, repeats)
            solved.append(pairs + np.array([[0], [first], [0]]))
        together = torch.from_numpy(np.concatenate(solved, axis=1)).to(device, non_blocking=True)
        return Assignment(*together.unbind(0)), [pairs.shape[1] for pairs in solved]

    @torch.no_grad()
    def costs(self, output: DetectionOutput, targets: PaddedTargets) -> MatchCosts:
        """Unweighted costs of one or more layers, all pairs of all phrases at once."""
        return match_costs(output, targets, self.dice_eps, self.box_l1 > 0, self.box_giou > 0)

    def total(self, costs: MatchCosts) -> Tensor:
        """Weighted sum of the costs, [P, Q, M]."""
        total = self.dice * costs.dice + self.bce * costs.bce + self.score * costs.score
        if costs.box_l1 is not None:
            total = total + self.box_l1 * costs.box_l1
        if costs.box_giou is not None:
            total = total + self.box_giou * costs.box_giou
        return total

    def _raise_not_finite(self, costs: MatchCosts, totals: np.ndarray, layers: int) -> None:
        phrase, place, _ = (int(axis[0]) for axis in np.nonzero(~np.isfinite(totals)))
        layer, query = divmod(place, totals.shape[1] // layers)
        parts = {field.name: getattr(costs, field.name) for field in fields(MatchCosts)}
        bad = [
            name
            for name, part in parts.items()
            if part is not None and not part[phrase, place].isfinite().all()
        ]
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
            times = _copies_that_fit(count, total.shape[1], copies)
            queries, chosen = linear_sum_assignment(np.tile(total[phrase, :, :count], times))
            chosen = chosen % count
            pairs.append(np.stack([np.full_like(queries, phrase), queries, chosen]))
    together = np.concatenate(pairs, axis=1).astype(np.int64)
    return together[:, together[0].argsort(kind="stable")]


def count_pairs(counts: Sequence[int], queries: int, copies: int = 1) -> int:
    """How many pairs `solve` finds."""
    fitting = (count * _copies_that_fit(count, queries, copies) for count in counts if count)
    return sum(min(number, queries) for number in fitting)


def _copies_that_fit(count: int, queries: int, copies: int) -> int:
    return max(1, min(copies, queries // count))
