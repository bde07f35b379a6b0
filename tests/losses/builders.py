"""Small outputs and targets that the loss tests share."""

from __future__ import annotations

import torch
from torch import Tensor

from instructsam.losses.targets import POINT, PaddedTargets, pad_targets, point_weights
from instructsam.structures.outputs import DetectionOutput, PhraseTarget, SegmentationOutput

SIZE = (12, 16)


def layer(phrases: int, queries: int, seed: int, presence: bool = True) -> DetectionOutput:
    """Random output of one decoder layer whose tensors are leaves that want gradients."""
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.rand(phrases, queries, 4, generator=generator) * 0.4 + 0.2
    return DetectionOutput(
        mask_logits=torch.randn(phrases, queries, *SIZE, generator=generator).mul(2).requires_grad_(),
        score_logits=torch.randn(phrases, queries, generator=generator).requires_grad_(),
        boxes_cxcywh=boxes.requires_grad_(),
        presence_logits=torch.randn(phrases, generator=generator).requires_grad_() if presence else None,
    )


def segmentation(
    phrases: int, queries: int = 5, seed: int = 0, auxiliary: int = 0, presence: bool = True
) -> SegmentationOutput:
    """Random output of a model with `auxiliary` earlier layers; text: 2 samples of 6 tokens over 11 words."""
    last = layer(phrases, queries, seed, presence)
    generator = torch.Generator().manual_seed(seed + 1000)
    return SegmentationOutput(
        mask_logits=last.mask_logits,
        score_logits=last.score_logits,
        boxes_cxcywh=last.boxes_cxcywh,
        presence_logits=last.presence_logits,
        semantic_logits=torch.randn(phrases, *SIZE, generator=generator).requires_grad_(),
        auxiliary=tuple(layer(phrases, queries, seed + 1 + index, presence) for index in range(auxiliary)),
        text_logits=torch.randn(2, 6, 11, generator=generator).requires_grad_(),
    )


def instances(count: int, seed: int = 0, size: tuple[int, int] = (36, 48)) -> PhraseTarget:
    """`count` rectangles that do not overlap, one in each column of the image."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    masks = torch.zeros(count, height, width, dtype=torch.uint8)
    boxes = torch.zeros(count, 4)
    for index in range(count):
        left, right = index * width // count, (index + 1) * width // count
        top = int(torch.randint(0, height // 2, (1,), generator=generator))
        masks[index, top : top + height // 2, left:right] = 1
        boxes[index] = torch.tensor(
            [(left + right) / 2 / width, (top + height / 4) / height, (right - left) / width, 0.5]
        )
    return PhraseTarget(masks, boxes)


def nothing(size: tuple[int, int] = (36, 48)) -> PhraseTarget:
    """A phrase without target."""
    return PhraseTarget(torch.zeros(0, *size, dtype=torch.uint8), torch.zeros(0, 4))


def gradients(output: DetectionOutput) -> dict[str, Tensor | None]:
    """The gradient of each prediction of one layer."""
    names = ("mask_logits", "score_logits", "boxes_cxcywh", "presence_logits")
    found = {name: getattr(output, name) for name in names}
    return {name: value.grad for name, value in found.items() if value is not None}


def known_as(
    kinds: list[tuple[int, ...]], targets: list[PhraseTarget], ignore: Tensor | None = None
) -> PaddedTargets:
    """Padded targets of which only this is known; a point lies in the middle of its box."""
    padded = pad_targets(targets, SIZE, torch.device("cpu"), "area")
    known = torch.zeros(padded.masks.shape[:2], dtype=torch.int8)
    masks = padded.masks.clone()
    for phrase, codes in enumerate(kinds):
        for slot, code in enumerate(codes):
            known[phrase, slot] = code
            if code == POINT:
                x, y = padded.boxes_cxcywh[phrase, slot, :2]
                pixel = torch.zeros(36, 48)
                pixel[int(y * 36), int(x * 48)] = 1
                masks[phrase, slot] = point_weights(pixel, SIZE)
    return PaddedTargets(masks, padded.boxes_cxcywh, padded.counts, known if known.any() else None, ignore)
