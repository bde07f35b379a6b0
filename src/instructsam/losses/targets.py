"""Targets of all phrases of a batch, resized to mask size and padded to one shape.

Shapes: P phrases, M instances of the phrase with the most of them, H W image size, h w mask size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from instructsam.errors import InputError
from instructsam.structures.outputs import PhraseTarget

TargetResize = Literal["nearest", "area"]


@dataclass(frozen=True)
class PaddedTargets:
    """All targets of a batch.

    Attributes:
        masks: float32 [P, M, h, w] in [0, 1], zero where padded.
        boxes_cxcywh: float32 [P, M, 4] in [0, 1], zero where padded.
        counts: instances of each phrase, on the host: nothing has to wait for the device to know them.
        regions: float32 [P, h, w], the union of each phrase's instances; None when not asked for.
    """

    masks: Tensor
    boxes_cxcywh: Tensor
    counts: tuple[int, ...]
    regions: Tensor | None = None


def resize_masks(masks: Tensor, size: tuple[int, int], mode: TargetResize) -> Tensor:
    """Masks [M, H, W] (any dtype, 0 or 1) as float32 [M, h, w].

    "nearest" keeps them binary and loses what is thinner than a target pixel; "area" gives each target pixel
    the covered fraction.
    """
    if mode == "nearest":  # on bytes: a quarter of the memory traffic of resizing floats
        return F.interpolate(masks.to(torch.uint8)[:, None], size, mode="nearest")[:, 0].float()
    return F.interpolate(masks.float()[:, None], size, mode="area")[:, 0]


def pad_targets(
    targets: Sequence[PhraseTarget],
    size: tuple[int, int],
    device: torch.device,
    mode: TargetResize = "nearest",
    regions: bool = False,
) -> PaddedTargets:
    """Resizes and pads the targets of P phrases; `regions` also asks for each phrase's union.

    Raises:
        InputError: masks and boxes of a phrase do not fit together.
    """
    counts = tuple(_checked_count(target, index) for index, target in enumerate(targets))
    most = max(counts, default=0)
    masks = torch.zeros(len(counts), most, *size, device=device)
    boxes = torch.zeros(len(counts), most, 4, device=device)
    unions = torch.zeros(len(counts), *size, device=device) if regions else None
    for index, (target, count) in enumerate(zip(targets, counts, strict=True)):
        if count == 0:
            continue
        source = target.masks.to(device, non_blocking=True)
        masks[index, :count] = resize_masks(source, size, mode)
        boxes[index, :count] = target.boxes_cxcywh.to(device, torch.float32, non_blocking=True)
        if unions is not None:
            unions[index] = resize_masks((source != 0).any(0, keepdim=True), size, mode)[0]
    return PaddedTargets(masks, boxes, counts, unions)


def _checked_count(target: PhraseTarget, index: int) -> int:
    masks, boxes = target.masks, target.boxes_cxcywh
    if masks.dim() != 3 or boxes.shape != (masks.shape[0], 4):
        raise InputError(
            f"the target of phrase {index} must have masks (M, H, W) and boxes_cxcywh (M, 4), "
            f"got {tuple(masks.shape)} and {tuple(boxes.shape)}"
        )
    return masks.shape[0]
