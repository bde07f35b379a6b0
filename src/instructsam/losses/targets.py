"""Targets of all phrases of a batch, resized to mask size and padded to one shape.

Shapes: P phrases, M instances of the phrase with the most of them, H W image size, h w mask size, N regions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from instructsam.errors import InputError
from instructsam.structures.outputs import PhraseTarget

TargetResize = Literal["nearest", "area"]
KINDS = MASK, BOX, POINT = range(3)  # what is known of a target, in the order of `data.record.Known`
_SMALL = 2**18  # pixels of a picture whose masks are resized whole, all together
_AT_ONCE = 64  # masks that are converted to float32 together: bounds the memory of large originals


@dataclass(frozen=True)
class PaddedTargets:
    """All targets of a batch.

    Attributes:
        masks: float32 [P, M, h, w] in [0, 1], zero where padded: of a `BOX` the filled box, of a `POINT` the weights of
            `point_weights`.
        boxes_cxcywh: float32 [P, M, 4] in [0, 1], zero where padded.
        counts: instances of each phrase, on the host: nothing has to wait for the device to know them.
        known: int8 [P, M], also on the host: `MASK`, `BOX` or `POINT`; None where all are masks.
        ignore: bool [P, h, w], pixels that count for nothing; None where all count.
    """

    masks: Tensor
    boxes_cxcywh: Tensor
    counts: tuple[int, ...]
    known: Tensor | None = None
    ignore: Tensor | None = None

    def select(self, phrases: Sequence[int]) -> PaddedTargets:
        """The targets of some phrases, without columns that are padding in all of them."""
        counts = tuple(self.counts[phrase] for phrase in phrases)
        index = torch.tensor(phrases, dtype=torch.int64).to(self.masks.device, non_blocking=True)
        most = max(counts, default=0)
        known = None if self.known is None else self.known[list(phrases), :most]
        return PaddedTargets(
            self.masks[index, :most],
            self.boxes_cxcywh[index, :most],
            counts,
            known if known is not None and known.any() else None,
            None if self.ignore is None else self.ignore[index],
        )

    def regions(self, kind: int | None = None) -> Tensor:
        """float32 [P, h, w]: the union of each phrase's instances, exact where they do not overlap.

        Args:
            kind: only of instances of which this is known.
        """
        masks = self.masks if kind is None else self.masks * self.are(kind)[:, :, None, None]
        return masks.sum(1).clamp(max=1)

    def are(self, kind: int) -> Tensor:
        """bool [P, M], on the device: of which instances this is known; padded ones count as masks."""
        if self.known is None:
            return torch.full(self.masks.shape[:2], kind == MASK, device=self.masks.device)
        return (self.known == kind).to(self.masks.device, non_blocking=True)


def resize_masks(masks: Tensor, size: tuple[int, int], mode: TargetResize) -> Tensor:
    """Masks [M, H, W] (any dtype, 0 or 1) as float32 [M, h, w].

    "nearest" keeps them binary and loses details thinner than a target pixel; "area" gives each target pixel
    the covered fraction.
    """
    if mode == "nearest":
        # first along the axis whose lines lie in one piece: decoded masks are stored column by column
        for axis in (2, 1) if masks.stride(1) == 1 else (1, 2):
            masks = masks.index_select(axis, _nearest(masks.shape[axis], size[axis - 1], masks.device))
        return masks.float()
    rows = _coverage(masks.shape[1], size[0], masks.device)
    columns = _coverage(masks.shape[2], size[1], masks.device)
    if masks[0:1].numel() <= _SMALL or masks.is_cuda:
        return torch.cat([rows @ (part.float() @ columns.T) for part in masks.split(_AT_ONCE)])
    return torch.stack([_resized_box(mask, rows, columns) for mask in masks])


def _resized_box(mask: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """rows @ mask @ columns.T of a large mask, computed in the box around its pixels only."""
    resized = torch.zeros(len(rows), len(columns))
    inside = [mask.any(axis).nonzero().flatten() for axis in (1, 0)]
    if not len(inside[0]):
        return resized
    high, wide = (slice(int(places[0]), int(places[-1]) + 1) for places in inside)
    down, across = _touched(high, rows), _touched(wide, columns)
    resized[down, across] = rows[down, high] @ (mask[high, wide].float() @ columns[across, wide].T)
    return resized


def _touched(pixels: slice, coverage: Tensor) -> slice:
    """The target cells that source pixels may touch."""
    target, source = coverage.shape
    return slice(pixels.start * target // source, -(-pixels.stop * target // source))


def _nearest(source: int, target: int, device: torch.device) -> Tensor:
    """int64 [target]: the source pixel that torch's nearest resize takes for each target pixel."""
    pixels = torch.arange(source, dtype=torch.float32, device=device)  # exact up to 2**24
    return F.interpolate(pixels.view(1, 1, source), target, mode="nearest").view(target).long()


def point_weights(region: Tensor, size: tuple[int, int]) -> Tensor:
    """Weights [h, w] of the pixels of a map, of sum 1: their sum of products with the map is its bilinear value.

    Args:
        region: [H, W], not 0 at the points; the value is the mean over all of them.
        size: (h, w).
    """
    weights = torch.zeros(size)
    places = region.nonzero()
    if not len(places):
        return weights
    scale, last = torch.tensor(size) / torch.tensor(region.shape), torch.tensor(size) - 1
    exact = ((places + 0.5) * scale - 0.5).clamp(min=0).minimum(last)
    low = exact.floor()
    share = exact - low
    for y in (0, 1):
        for x in (0, 1):
            corner = (low + torch.tensor((y, x))).minimum(last).long()
            part = (share[:, 0] if y else 1 - share[:, 0]) * (share[:, 1] if x else 1 - share[:, 1])
            weights.index_put_(corner.unbind(1), part / len(places), accumulate=True)
    return weights


@lru_cache(maxsize=16)  # pictures come in few sizes
def _coverage(source: int, target: int, device: torch.device) -> Tensor:
    """float32 [target, source]: the share of each target cell that a source pixel covers; rows sum to 1."""
    edges = torch.linspace(0, source, target + 1, device=device)
    pixels = torch.arange(source, dtype=torch.float32, device=device)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return overlap.clamp(min=0) * (target / source)


def pad_targets(
    targets: Sequence[PhraseTarget],
    size: tuple[int, int],
    device: torch.device,
    mode: TargetResize = "nearest",
) -> PaddedTargets:
    """Resizes and pads the targets of P phrases.

    Raises:
        InputError: masks and boxes of a phrase do not fit together.
    """
    counts = tuple(_checked_count(target, index) for index, target in enumerate(targets))
    most = max(counts, default=0)
    masks = torch.zeros(len(counts), most, *size, device=device)
    boxes = torch.zeros(len(counts), most, 4, device=device)
    same_size: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, target in enumerate(targets):
        if counts[index]:
            same_size[tuple(target.masks.shape[1:])].append(index)
    for members in same_size.values():  # usually one group: few large operations instead of many small ones
        phrase = torch.tensor([index for index in members for _ in range(counts[index])])
        slot = torch.tensor([slot for index in members for slot in range(counts[index])])
        place = (phrase.to(device, non_blocking=True), slot.to(device, non_blocking=True))
        together = torch.cat([targets[index].masks for index in members]).to(device, non_blocking=True)
        masks[place] = resize_masks(together, size, mode)
        together = torch.cat([targets[index].boxes_cxcywh for index in members])
        boxes[place] = together.to(device, torch.float32, non_blocking=True)
    return PaddedTargets(masks, boxes, counts)


def _checked_count(target: PhraseTarget, index: int) -> int:
    masks, boxes = target.masks, target.boxes_cxcywh
    if masks.dim() != 3 or boxes.shape != (masks.shape[0], 4):
        raise InputError(
            f"the target of phrase {index} must have masks (M, H, W) and boxes_cxcywh (M, 4), "
            f"got {tuple(masks.shape)} and {tuple(boxes.shape)}"
        )
    return masks.shape[0]
