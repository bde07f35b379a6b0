"""The targets of a batch from its samples: the known regions of objects at mask size, and the ignored pixels.

Shapes: P phrases, O objects of all images, M of the phrase with the most of them, H W image size, h w mask size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from instructsam.data.record import Known
from instructsam.data.sample import TrainingSample
from instructsam.losses.targets import BOX, MASK, POINT, point_weights, resize_masks
from instructsam.structures.outputs import PhraseTarget
from instructsam.training.batch import ObjectTargets, OutputSizes

Instances = tuple[int, ...]
_CODES = {known: code for code, known in enumerate(get_args(Known))}


@dataclass
class PhrasesOfSample:
    """The phrases of one sample in the order of the batch: the objects that each names, and those that it ignores."""

    instances: list[Instances] = field(default_factory=list)
    ignored: list[Instances] = field(default_factory=list)


def object_targets(
    samples: Sequence[TrainingSample],
    masks: Sequence[Tensor],
    phrases_of: Sequence[PhrasesOfSample],
    sizes: OutputSizes,
    merge: bool,
) -> ObjectTargets:
    """Targets at mask size.

    Args:
        samples, masks: I images, with uint8 [N, H, W] masks.
        phrases_of: of each image.
        sizes: of the model's outputs.
        merge: the objects of a phrase are one target, the union of their regions.
    """
    regions: list[Tensor] = []
    boxes: list[Tensor] = []
    known: list[int] = []
    rows: list[list[int]] = []
    for sample, stack, phrases in zip(samples, masks, phrases_of, strict=True):
        codes = [_CODES[name] for name in sample.known] or [MASK] * len(stack)
        objects = PhraseTarget(stack, torch.from_numpy(sample.boxes_cxcywh))
        objects, codes, own = (_merged if merge else _named)(objects, codes, phrases.instances)
        rows += [[len(known) + number for number in instances] for instances in own]
        regions.append(_at_mask_size(objects.masks, codes, sizes))
        boxes.append(objects.boxes_cxcywh)
        known += codes
    binary = all(part.dtype == torch.uint8 for part in regions)
    regions.append(torch.zeros(1, *sizes.mask_size, dtype=torch.uint8 if binary else torch.float32))
    most = max((len(row) for row in rows), default=0)
    padded = [row + [len(known)] * (most - len(row)) for row in rows]
    return ObjectTargets(
        masks=torch.cat(regions),
        boxes_cxcywh=torch.cat([*boxes, torch.zeros(1, 4)]),
        objects=torch.tensor(padded, dtype=torch.int64).view(len(rows), most),
        counts=tuple(len(row) for row in rows),
        known=torch.tensor([*known, MASK], dtype=torch.int8) if any(known) else None,
        ignore=_ignored_pixels(masks, phrases_of, sizes),
    )


def _named(
    objects: PhraseTarget, codes: list[int], instances: Sequence[Instances]
) -> tuple[PhraseTarget, list[int], list[list[int]]]:
    """The objects that a phrase names, with their codes, and their numbers for each phrase."""
    used = sorted({number for names in instances for number in names})
    if len(used) < len(codes):
        objects = PhraseTarget(objects.masks[used], objects.boxes_cxcywh[used])
    place = {number: row for row, number in enumerate(used)}
    return objects, [codes[number] for number in used], [[place[n] for n in names] for names in instances]


def _merged(
    objects: PhraseTarget, codes: list[int], instances: Sequence[Instances]
) -> tuple[PhraseTarget, list[int], list[list[int]]]:
    """One object for each phrase that names any: the union of their regions, known like the least known of them.

    The projections of a union with boxes are known. With points, only masks and points are in it for certain.
    """
    merged: list[PhraseTarget] = []
    kinds: list[int] = []
    for names in filter(None, instances):
        kinds.append(max(codes[number] for number in names))
        chosen = [n for n in names if kinds[-1] < POINT or codes[n] != BOX]
        merged.append(PhraseTarget(objects.masks[chosen], objects.boxes_cxcywh[chosen]).merged())
    joined = PhraseTarget(
        torch.cat([objects.masks[:0], *(target.masks for target in merged)]),
        torch.cat([objects.boxes_cxcywh[:0], *(target.boxes_cxcywh for target in merged)]),
    )
    places = iter(range(len(merged)))
    return joined, kinds, [[next(places)] if names else [] for names in instances]


def _at_mask_size(masks: Tensor, codes: Sequence[int], sizes: OutputSizes) -> Tensor:
    """Regions [N, h, w] as `PaddedTargets` holds them; uint8 where they stay binary, a quarter of the memory."""
    if not any(codes):
        resized = resize_masks(masks, sizes.mask_size, sizes.resize)
        return resized.to(torch.uint8) if sizes.resize == "nearest" else resized
    regions = torch.empty(len(masks), *sizes.mask_size)
    for row, (mask, code) in enumerate(zip(masks, codes, strict=True)):
        if code == POINT:
            regions[row] = point_weights(mask, sizes.mask_size)
        else:  # the edges of a box are known to a fraction of a pixel, whatever masks are resized by
            mode = "area" if code == BOX else sizes.resize
            regions[row] = resize_masks(mask[None], sizes.mask_size, mode)[0]
    return regions


def _ignored_pixels(
    masks: Sequence[Tensor], phrases_of: Sequence[PhrasesOfSample], sizes: OutputSizes
) -> Tensor | None:
    """bool [P, h, w]: pixels that are ignored in part or whole; None where no phrase has any."""
    found: dict[int, Tensor] = {}
    number = 0
    for stack, phrases in zip(masks, phrases_of, strict=True):
        regions: dict[Instances, Tensor] = {}
        for ignored in phrases.ignored:
            if ignored:
                if ignored not in regions:
                    union = stack[list(ignored)].amax(0, keepdim=True)
                    regions[ignored] = resize_masks(union, sizes.mask_size, "area")[0] > 0
                found[number] = regions[ignored]
            number += 1
    if not found:
        return None
    pixels = torch.zeros(number, *sizes.mask_size, dtype=torch.bool)
    pixels[list(found)] = torch.stack(list(found.values()))
    return pixels


def mask_tensor(sample: TrainingSample) -> Tensor:
    """The masks of a sample, uint8 [N, H, W], without a copy where torch can hold them."""
    masks = sample.masks.view(np.uint8)
    return torch.from_numpy(masks if min(masks.strides) >= 0 else masks.copy())
