"""Inputs and outputs of the model, and targets of the losses.

Shapes: B samples, I images, L tokens, P phrases of the whole batch (sample-major), Q queries per phrase,
T phrase tokens (at most 32), V vocabulary, h w mask size, S detector image size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from instructsam.errors import InstructSAMError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class ModelInputs:
    """The inputs of one forward pass; several samples may share one image.

    Attributes:
        input_ids: int64 [B, L], right- or left-padded.
        attention_mask: int64 [B, L], 1 for real tokens.
        block_ids: int64 [B, L], index of the query block at query positions (counted per sample), -1 elsewhere.
        pixel_values: float [patches of all images, C * temporal * patch * patch], the VLM's patches; in training
            uint8, of one frame.
        image_grid_thw: int64 [I, 3], the VLM's patch grid of each image.
        image_index: int64 [B], the image of each sample.
        detector_pixel_values: float [I, 3, S, S]; in training uint8.
        phrase_ids: int64 [P, T], token ids of each phrase, zero-padded.
        phrase_mask: bool [P, T], True for real phrase tokens.
        phrase_sample: int64 [P], the sample of each phrase, ascending.
        labels: int64 [B, L] for training, -100 where nothing is supervised.
    """

    input_ids: Tensor
    attention_mask: Tensor
    block_ids: Tensor
    pixel_values: Tensor
    image_grid_thw: Tensor
    image_index: Tensor
    detector_pixel_values: Tensor
    phrase_ids: Tensor
    phrase_mask: Tensor
    phrase_sample: Tensor
    labels: Tensor | None = None

    def to(self, device: torch.device | str) -> ModelInputs:
        """The same inputs on another device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(
            self, **{k: v.to(device, non_blocking=True) for k, v in moved.items() if v is not None}
        )

    def as_kwargs(self) -> dict[str, Any]:
        """Keyword arguments of `InstructSAMModel.forward`."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class DetectionOutput:
    """The output of one decoder layer.

    Attributes:
        mask_logits: float [P, Q, h, w].
        score_logits: float [P, Q], clamped to +-12.
        boxes_cxcywh: float [P, Q, 4] in [0, 1].
        presence_logits: float [P], None when the model has no presence token.
    """

    mask_logits: Tensor
    score_logits: Tensor
    boxes_cxcywh: Tensor
    presence_logits: Tensor | None = None

    def split(self, queries: int) -> tuple[DetectionOutput, DetectionOutput]:
        """The first `queries` queries, and the others without presence."""
        masks, scores, boxes = self.mask_logits, self.score_logits, self.boxes_cxcywh
        return (
            DetectionOutput(
                masks[:, :queries], scores[:, :queries], boxes[:, :queries], self.presence_logits
            ),
            DetectionOutput(masks[:, queries:], scores[:, queries:], boxes[:, queries:]),
        )


@dataclass(frozen=True)
class SegmentationOutput(DetectionOutput):
    """The output of the last decoder layer, and of heads that only training uses.

    Attributes:
        semantic_logits: float [P, h, w], the detector's semantic map of each phrase.
        auxiliary: the earlier decoder layers, first to last; filled only on request.
        text_logits: float [B, L, V] of the VLM, None unless requested.
        query_states: float [P, Q, D], hidden states of the query blocks.
        phrase_sample: int64 [P], the sample of each phrase.
        extra: outputs for a training step's extra queries, the last layer last, the earlier ones only on request;
            empty without extra queries.
    """

    semantic_logits: Tensor | None = None
    auxiliary: tuple[DetectionOutput, ...] = ()
    text_logits: Tensor | None = None
    query_states: Tensor | None = None
    phrase_sample: Tensor | None = None
    extra: tuple[DetectionOutput, ...] = ()


def require_numbers(named: Mapping[str, Tensor | None]) -> None:
    """Raise for outputs that are NaN or infinite, which would otherwise look like "nothing found".

    Checks minimum and maximum: no copy is made, and there is one synchronisation with the GPU.

    Args:
        named: tensors by name, for the message; None and empty tensors are skipped.

    Raises:
        InstructSAMError: names the first tensor that is not finite, and its number format.
    """
    import torch

    full = {name: tensor for name, tensor in named.items() if tensor is not None and tensor.numel()}
    if not full:
        return
    extremes = torch.stack([torch.stack(tensor.aminmax()).float() for tensor in full.values()])
    finite = extremes.isfinite().all(1).tolist()
    wrong = [name for name, fine in zip(full, finite, strict=True) if not fine]
    if wrong:
        format_name = str(full[wrong[0]].dtype)
        raise InstructSAMError(
            f"the model's {wrong[0]} are not numbers in {format_name}: load it with dtype='float32', and check its "
            "weights if that does not help"
        )


def concatenate(parts: Sequence[SegmentationOutput]) -> SegmentationOutput:
    """The last decoder layers of several detector passes, phrases one after the other."""
    import torch

    def joined(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else torch.cat(values)

    return SegmentationOutput(
        **{
            name: joined(name)
            for name in ("mask_logits", "score_logits", "boxes_cxcywh", "presence_logits", "semantic_logits")
        }
    )


@dataclass(frozen=True)
class PhraseTarget:
    """The instances of one phrase.

    Attributes:
        masks: uint8 or bool [M, H, W], M = 0 for a phrase without target; H and W may differ between phrases.
        boxes_cxcywh: float [M, 4] in [0, 1].
    """

    masks: Tensor
    boxes_cxcywh: Tensor

    def merged(self) -> PhraseTarget:
        """All instances as one: the union of the masks and the box that encloses all boxes."""
        import torch

        if len(self.masks) < 2:
            return self
        centres, halves = self.boxes_cxcywh[:, :2], self.boxes_cxcywh[:, 2:] / 2
        low, high = (centres - halves).amin(0), (centres + halves).amax(0)
        boxes = torch.cat([(low + high) / 2, high - low]).unsqueeze(0)
        return PhraseTarget(self.masks.amax(0, keepdim=True), boxes)

    def to(self, device: torch.device | str) -> PhraseTarget:
        """The same target on another device."""
        return PhraseTarget(self.masks.to(device), self.boxes_cxcywh.to(device))
