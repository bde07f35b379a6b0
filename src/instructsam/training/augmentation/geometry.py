"""Crop, scale and mirror an image with everything that is known of its objects. Numpy and PIL only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.sample import SampleInstruction, TrainingSample, relative_boxes_cxcywh
from instructsam.images.loader import at_size
from instructsam.structures.masks import mask_area, mask_boxes_xyxy, shrink_masks
from instructsam.training.augmentation.words import mirrored

Region = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are outside."""


def target_region(sample: TrainingSample, margin: float = 0.0) -> Region | None:
    """The smallest region with all objects that a phrase names and a share of their size around; None without any."""
    targets = sorted(named_objects(sample))
    if not targets:
        return None
    height, width = sample.image.shape[:2]
    boxes = mask_boxes_xyxy(sample.masks[targets])
    (left, top), (right, bottom) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    across, down = margin * (right - left), margin * (bottom - top)
    return (
        max(0, int(left - across)),
        max(0, int(top - down)),
        min(width, int(np.ceil(right + across))),
        min(height, int(np.ceil(bottom + down))),
    )


def named_objects(sample: TrainingSample) -> set[int]:
    """The objects that a phrase names."""
    return {
        number
        for instruction in sample.instructions
        for phrase in instruction.phrases
        for number in phrase.instances
    }


def crop(sample: TrainingSample, region: Region, min_visible: float) -> TrainingSample:
    """The part of a sample inside a region, which holds all its targets.

    Args:
        sample: the whole.
        region: to keep.
        min_visible: an object that is cut and shows less than this share of its pixels is dropped; one that only an
            instruction ignores stays while a pixel of it is left.
    """
    left, top, right, bottom = region
    height, width = sample.image.shape[:2]
    masks = sample.masks[:, top:bottom, left:right]
    before, after = mask_area(sample.masks), mask_area(masks)
    ignored = np.zeros(len(before), np.bool_)
    ignored[[number for instruction in sample.instructions for number in instruction.ignore]] = True
    whole = after == before
    kept = whole | ((after > 0) & (ignored | (after >= min_visible * before)))
    scale = np.array((width, height, width, height)) / (
        right - left,
        bottom - top,
        right - left,
        bottom - top,
    )
    shift = np.array((left / width, top / height, 0, 0))
    moved = ((sample.boxes_cxcywh - shift) * scale).astype(np.float32)
    boxes = np.where((whole & (before > 0))[:, None], moved, relative_boxes_cxcywh(masks))
    return keep_objects(sample, kept, sample.image[top:bottom, left:right], boxes, masks)


def keep_objects(
    sample: TrainingSample,
    kept: NDArray[np.bool_],
    image: NDArray[np.uint8],
    boxes_cxcywh: NDArray[np.float32],
    masks: NDArray[np.bool_],
) -> TrainingSample:
    """The sample with another image, boxes and masks, without objects that are not `kept`, which no phrase names."""
    if kept.all():
        return replace(sample, image=image, boxes_cxcywh=boxes_cxcywh, masks=masks)
    numbers = np.cumsum(kept) - 1
    instructions = tuple(
        SampleInstruction(
            instruction.text,
            tuple(
                replace(phrase, instances=tuple(int(numbers[number]) for number in phrase.instances))
                for phrase in instruction.phrases
            ),
            tuple(int(numbers[number]) for number in instruction.ignore if kept[number]),
            instruction.family,
        )
        for instruction in sample.instructions
    )
    return replace(
        sample,
        image=image,
        instructions=instructions,
        boxes_cxcywh=boxes_cxcywh[kept],
        masks=masks[kept],
        classes=None if sample.classes is None else sample.classes[kept],
        known=tuple(name for name, stays in zip(sample.known, kept, strict=bool(sample.known)) if stays),
    )


def resize(sample: TrainingSample, size: tuple[int, int]) -> TrainingSample:
    """The sample with an image of another (height, width); relative boxes stay as they are.

    Masks take the nearest pixel. A mask that would lose its last one, such as a point, keeps the one of its centre.
    """
    image = at_size(Image.fromarray(sample.image), size)
    return replace(sample, image=np.asarray(image), masks=shrink_masks(sample.masks, size))


def mirror(sample: TrainingSample) -> TrainingSample:
    """The sample with left and right exchanged, in the picture and in words.

    Raises:
        ValueError: a text must not be mirrored (`words.allowed_by`).
    """
    boxes = sample.boxes_cxcywh.copy()
    boxes[:, 0] = np.where(boxes[:, 2] > 0, 1 - boxes[:, 0], 0)
    return replace(
        sample,
        image=np.ascontiguousarray(sample.image[:, ::-1]),
        masks=np.ascontiguousarray(sample.masks[:, :, ::-1]),
        boxes_cxcywh=boxes,
        instructions=tuple(
            replace(
                instruction,
                text=_mirrored(instruction.text),
                phrases=tuple(replace(phrase, text=_mirrored(phrase.text)) for phrase in instruction.phrases),
            )
            for instruction in sample.instructions
        ),
    )


def _mirrored(text: str) -> str:
    changed = mirrored(text)
    if changed is None:
        raise ValueError(f"this text must not be mirrored: {text!r}")
    return changed


def draw_region(
    rng: np.random.Generator, size: tuple[int, int], needed: Region | None, area: Sequence[float]
) -> Region:
    """A random region of an image of (height, width) that holds `needed`.

    Its area is a share in `area` of the image's, or as much as `needed` takes; its sides are in proportion to the
    image's, each by a factor between 3/4 and 4/3.
    """
    share = rng.uniform(area[0], area[1])
    aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    factors = (np.sqrt(share / aspect), np.sqrt(share * aspect))
    found: list[tuple[int, int]] = []
    for axis, (side, factor, place) in enumerate(zip(size, factors, rng.random(2), strict=True)):
        low, high = (0, 0) if needed is None else (needed[1 - axis], needed[3 - axis])
        length = min(side, max(round(side * factor), high - low, 1))
        first, last = max(0, high - length), min(low if needed else side, side - length)
        start = first + int(place * (last - first + 1))
        found.append((start, start + length))
    (top, bottom), (left, right) = found
    return left, top, right, bottom
