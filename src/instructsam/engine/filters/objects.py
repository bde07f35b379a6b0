"""Objects that no instruction should mean: too small, covering almost everything, or there twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from instructsam.engine.candidates import Candidate
from instructsam.engine.filters.problem import Problem
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.filters import FilterSettings
from instructsam.structures.rle_masks import RleMasks

_Regions: TypeAlias = tuple[Sequence[int], NDArray[Any], NDArray[Any]]
_NONE: _Regions = ((), np.zeros(0), np.zeros((0, 0)))


def object_problems(row: ImageRow, settings: FilterSettings) -> Mapping[int, Problem]:
    """The faults of a row's objects, by number (from 1); those of the last rows are kept, because masks are compared.

    Masks are compared with masks, and boxes of objects without a mask with each other. Objects that are known by a
    point alone have no faults. Of two objects that are the same one, the later one is the fault.
    """
    return _object_problems(_ByDigest(row.digest, row), settings)


@dataclass(frozen=True)
class _ByDigest:
    digest: str
    row: ImageRow = field(compare=False)


@lru_cache(maxsize=256)
def _object_problems(key: _ByDigest, settings: FilterSettings) -> Mapping[int, Problem]:
    row = key.row
    pixels = row.image.height * row.image.width
    least = max(settings.min_pixels, settings.min_share * pixels)
    problems: dict[int, Problem] = {}
    for numbers, areas, iou in (_masks(row), _boxes(row)):
        for place, number in enumerate(numbers):
            area = float(areas[place])
            twins = np.flatnonzero(iou[place, :place] >= settings.duplicate_iou)
            if area < least:
                text = f"object {number} has {area:.0f} of {pixels} pixels; at least {least:.0f} are needed"
                problems[number] = Problem("small object", text)
            elif area > settings.max_share * pixels:
                text = f"object {number} covers {area / pixels:.0%} of the image"
                problems[number] = Problem("covering object", text)
            elif twins.size:
                text = f"object {number} is object {numbers[int(twins[0])]} again"
                problems[number] = Problem("duplicate object", text)
    return problems


def _masks(row: ImageRow) -> _Regions:
    """Numbers, areas and IoU of the objects with a mask."""
    known = [(number, found.rle) for number, found in enumerate(row.instances, start=1) if found.rle]
    if not known:
        return _NONE
    masks = RleMasks.load([rle for _, rle in known], (row.image.height, row.image.width), f"row {row.id}")
    return [number for number, _ in known], masks.areas(), masks.iou(masks)


def _boxes(row: ImageRow) -> _Regions:
    """Numbers, areas and IoU of the objects with a box and no mask."""
    known = [
        (number, found.box_xywh)
        for number, found in enumerate(row.instances, start=1)
        if found.rle is None and found.box_xywh is not None
    ]
    if not known:
        return _NONE
    boxes = np.array([box for _, box in known], dtype=np.float64)
    iou = coco.iou(boxes, boxes, [0] * len(boxes))
    return [number for number, _ in known], boxes[:, 2] * boxes[:, 3], np.asarray(iou)


def problems_of_meant(candidate: Candidate, problems: Mapping[int, Problem]) -> list[Problem]:
    """The faults of the objects that a candidate means."""
    return [problems[number] for number in candidate.numbers if number in problems]
