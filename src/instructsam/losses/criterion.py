"""The training loss: matching, then text, mask, score, box, semantic and presence losses.

Shapes: B samples, L tokens, V vocabulary, P phrases of the batch, Q queries per phrase, N matched pairs, h w
mask size. Everything is computed in float32 whatever the model ran in. Source: InstructSAM (arXiv 2605.26102)
for the published preset; auxiliary and box losses from DETR (arXiv 2005.12872).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from instructsam.errors import InputError
from instructsam.losses.counts import LossCounts
from instructsam.losses.criterion_config import CriterionConfig
from instructsam.losses.layers import side_by_side
from instructsam.losses.matcher import Assignment
from instructsam.losses.pair_losses import in_ignored_pixels, pair_losses, score_losses
from instructsam.losses.semantic_losses import semantic_losses
from instructsam.losses.targets import PaddedTargets, pad_targets
from instructsam.structures.outputs import DetectionOutput, PhraseTarget, SegmentationOutput

__all__ = ["Criterion", "CriterionConfig", "CriterionOutput", "text_loss"]


@dataclass(frozen=True)
class CriterionOutput:
    """One batch's loss.

    Attributes:
        total: scalar to differentiate.
        parts: detached scalars: each loss under its weight's name, unweighted, of the last decoder layer (a
            loss that the output offers no logits for, or that weighs 0, is missing; "box_projection" is 0 without
            a target that is known by its box); "auxiliary", the
            weighted sum of the earlier layers before `auxiliary_weight`; "unassigned_targets", how many
            targets found no query because their phrase has more targets than queries, times `divisors.batches`, so
            that the mean over batches is the number of all.
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
    semantic losses are means over phrases, presence losses over those whose presence is known; text loss is the mean
    over supervised tokens. With `divisors` these are the shares of one batch in the means over several. A
    phrase without target has all score targets, its presence target and its semantic target at zero and no
    mask or box loss, whatever stands beside it. Targets known by a box or a point have the losses of `pair_losses`;
    ignored pixels count in none, and an unmatched query whose mask lies mostly there has no score loss.
    """

    def __init__(self, config: CriterionConfig) -> None:
        self.config = config

    def __call__(
        self,
        output: SegmentationOutput,
        targets: Sequence[PhraseTarget] | PaddedTargets,
        labels: Tensor | None = None,
        divisors: LossCounts | None = None,
    ) -> CriterionOutput:
        """Loss of one batch.

        Args:
            output: the model's output; `auxiliary` is used when `auxiliary_weight` is above 0.
            targets: one per phrase, in the output's order; or those from `pad`.
            labels: int64 [B, L], -100 where nothing is supervised; None leaves the text loss out.
            divisors: numbers to divide sums by, all above 0: their means over processes and accumulated batches, so
                that the mean of the batches' losses is the loss of one big batch. None: this batch's own numbers.

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
            queries = output.score_logits.shape[1]
            if divisors is None:
                divisors = LossCounts.of(padded.counts, queries, config.auxiliary_copies).divisors()
            layers = (output, *(output.auxiliary if config.auxiliary_weight else ()))
            losses, earlier, matched = self._matched_losses(layers, padded, divisors)
            losses |= self._phrase_losses(output, padded, divisors.phrases)
            if labels is not None and config.weight("text"):
                losses["text"] = text_loss(output.text_logits, labels, divisors.tokens)
            total = self._weighted(losses)
            parts = {name: loss.detach() for name, loss in losses.items()}
            if len(layers) > 1:
                auxiliary = self._weighted(earlier)
                total = total + config.auxiliary_weight * auxiliary
                parts["auxiliary"] = auxiliary.detach()
            if "box_projection" in config.pair_losses:  # the same names in every process, also without boxes
                parts.setdefault("box_projection", total.new_zeros(()))
            unassigned = sum(max(count - queries, 0) for count in padded.counts) * divisors.batches
            parts["unassigned_targets"] = torch.full((), float(unassigned), device=padded.masks.device)
        return CriterionOutput(total, parts, matched, padded)

    def judge(
        self, layers: Sequence[DetectionOutput], targets: PaddedTargets, pairs: Assignment, num_pairs: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of queries whose target is known, so that nothing is matched.

        Args:
            layers: the last decoder layer last; earlier ones count when `auxiliary_weight` is above 0.
            targets: of the layers' phrases.
            pairs: N queries with their targets, the same in every layer; queries in no pair are ignored.
            num_pairs: divides the sums over pairs, above 0.

        Returns:
            the total to differentiate; detached mask, score and box losses of the last layer, unweighted.
        """
        config, count = self.config, len(layers) if self.config.auxiliary_weight else 1
        device = targets.masks.device
        with torch.autocast(device.type, enabled=False):
            joined = side_by_side((layers[-1], *layers[: count - 1]))
            queries = layers[-1].score_logits.shape[1]
            first = queries * torch.arange(count, device=device).repeat_interleave(len(pairs))
            every = Assignment(*(part.repeat(count) for part in vars(pairs).values()))
            every = replace(every, query=every.query + first)
            terms, quality = pair_losses(config, joined, targets, every)
            wanted = quality.clamp(min=config.score_target_floor)
            terms["score"] = score_losses(config, joined.score_logits[every.phrase, every.query], wanted)
            losses, earlier = _layer_sums(terms, len(pairs), num_pairs)
            total = self._weighted(losses)
            if count > 1:
                total = total + config.auxiliary_weight * self._weighted(earlier)
        return total, {name: loss.detach() for name, loss in losses.items()}

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
        return ("score", *self.config.pair_losses)

    def _weighted(self, losses: dict[str, Tensor]) -> Tensor:
        return torch.stack([self.config.weight(name) * loss for name, loss in losses.items()]).sum()

    def _matched_losses(
        self, layers: Sequence[DetectionOutput], targets: PaddedTargets, divisors: LossCounts
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], Assignment]:
        """Mask, box, score and presence losses of the last layer, the sums of those of the earlier ones, unweighted.

        Args:
            layers: the last decoder layer first.
            targets: of all phrases.
            divisors: see `__call__`.

        Returns:
            also the matched pairs of the last layer.
        """
        config, queries = self.config, layers[0].score_logits.shape[1]
        joined = side_by_side(layers)
        copies = [1, *[config.auxiliary_copies] * (len(layers) - 1)]
        pairs, sizes = config.matcher.match(joined, targets, copies)
        terms, quality = pair_losses(config, joined, targets, pairs)
        copied = divisors.earlier_pairs / divisors.pairs
        losses, earlier = _layer_sums(terms, sizes[0], divisors.targets, copied)
        scores = self._scores(joined, targets, pairs, quality)
        judged = divisors.phrases * (queries if config.score_loss == "bce" else 1)
        losses["score"] = scores[:, :queries].sum() / judged
        earlier["score"] = scores[:, queries:].sum() / judged
        presence = self._presence(layers, targets, divisors.presences)
        if presence is not None:
            losses["presence"], earlier["presence"] = presence[0], presence[1:].sum()
        return losses, earlier, Assignment(*(part[: sizes[0]] for part in vars(pairs).values()))

    def _scores(
        self, layers: DetectionOutput, targets: PaddedTargets, pairs: Assignment, quality: Tensor
    ) -> Tensor:
        """The score loss of each query of all layers; a query in no pair is taught 0, unless its mask is ignored."""
        config, logits = self.config, layers.score_logits
        wanted = torch.zeros_like(logits, dtype=torch.float32)
        place = (pairs.phrase, pairs.query)
        wanted[place] = quality.clamp(min=config.score_target_floor)
        losses = score_losses(config, logits, wanted)
        if targets.ignore is None:
            return losses
        free = in_ignored_pixels(layers.mask_logits, targets.ignore)
        free[place] = False
        return losses * ~free

    def _presence(
        self, layers: Sequence[DetectionOutput], targets: PaddedTargets, number: float | None
    ) -> Tensor | None:
        """The presence loss of each layer, float32 [K]; None where it weighs nothing or there is no such token.

        A phrase without target but with ignored pixels has no known presence.
        """
        if layers[0].presence_logits is None or not self.config.weight("presence"):
            return None
        logits = torch.stack([layer.presence_logits for layer in layers if layer.presence_logits is not None])
        present = torch.tensor([float(count > 0) for count in targets.counts])
        present = present.to(logits.device, non_blocking=True).expand_as(logits)
        losses = F.binary_cross_entropy_with_logits(logits.float(), present, reduction="none")
        if targets.ignore is None:
            return losses.sum(1) / (number or len(targets.counts))
        known = (present[0] > 0) | ~targets.ignore.flatten(1).any(1)
        return (losses * known).sum(1) / (number or known.sum().clamp(min=1))

    def _phrase_losses(
        self, output: SegmentationOutput, targets: PaddedTargets, num_phrases: float
    ) -> dict[str, Tensor]:
        """Losses of the per-phrase semantic mask, whose target is the union of the phrase's instances."""
        config, logits = self.config, output.semantic_logits
        if logits is None or not (config.weight("semantic_bce") or config.weight("semantic_dice")):
            return {}
        expected = (len(targets.masks), *targets.masks.shape[2:])
        if logits.shape != expected:
            raise InputError(f"semantic_logits must be {expected} like the masks, got {tuple(logits.shape)}")
        return semantic_losses(logits, targets, config.dice_eps, num_phrases)


def _layer_sums(
    terms: dict[str, Tensor], first: int, divisor: float, copied: float = 1.0
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Sums over pairs of the last layer and of the earlier ones, as if each had as many pairs as the last.

    Args:
        terms: by name a value per pair, layer by layer, the last layer first.
        first: pairs of the last layer.
        divisor: of the sums.
        copied: how many times as many pairs an earlier layer has.
    """
    if not terms:
        return {}, {}
    values = torch.stack(list(terms.values()))
    last = values[:, :first].sum(1) / divisor
    earlier = values[:, first:].sum(1) / (divisor * copied)
    return dict(zip(terms, last.unbind(), strict=True)), dict(zip(terms, earlier.unbind(), strict=True))


def text_loss(text_logits: Tensor | None, labels: Tensor, num_tokens: float | None = None) -> Tensor:
    """Next-token cross-entropy, mean over supervised tokens: float [B, L, V], int64 [B, L] -> scalar.

    Logits [N, V] are those of the supervised tokens alone, with their next tokens, int64 [N], as labels.

    The logits at position i are compared with the label at i + 1. Labels of -100 are ignored; without any other label
    the loss is 0. `num_tokens` divides the sum in place of their own number.

    Raises:
        InputError: logits are missing or do not fit the labels.
    """
    if text_logits is None or text_logits.shape[:-1] != labels.shape:
        got = "none" if text_logits is None else f"shape {tuple(text_logits.shape)}"
        raise InputError(f"labels {tuple(labels.shape)} need text_logits (B, L, V), got {got}")
    if labels.dim() == 1:
        total = F.cross_entropy(text_logits.float(), labels, reduction="sum")
        return total / (num_tokens or max(len(labels), 1))
    wanted = labels[:, 1:]
    supervised = wanted != -100  # picked before the conversion to float32: most positions are unsupervised
    logits = text_logits[:, :-1][supervised].float()
    total = F.cross_entropy(logits, wanted[supervised], reduction="sum")
    return total / (num_tokens or supervised.sum().clamp(min=1))
