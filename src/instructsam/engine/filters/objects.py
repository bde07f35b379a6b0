"""Objects that no instruction should mean: too small, covering almost everything, or there twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from instructsam.data.regions import region_code
from instructsam.engine.candidates import Candidate
from instructsam.engine.filters.problem import Problem, ProblemCode
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.filters import FilterSettings
from instructsam.structures.rle_masks import RleMasks


def object_problems(row: ImageRow, settings: FilterSettings) -> dict[int, Problem]:
    """The faults of a row's objects, by number (from 1); it compares masks, so call it once per row.

    A box stands for a mask that is not known. Objects that are known by a point alone have no faults. Of two objects
    that are the same one, the later one is the fault.
    """
    numbers = [number for number, found in enumerate(row.instances, start=1) if found.known != "point"]
    if not numbers:
        return {}
    size = (row.image.height, row.image.width)
    codes = [region_code(row.instances[number - 1], row.image) for number in numbers]
    masks = RleMasks.load(codes, size, f"row {row.id}")
    pixels = size[0] * size[1]
    least = max(settings.min_pixels, settings.min_share * pixels)
    areas = masks.areas()
    same = masks.iou(masks) >= settings.duplicate_iou
    problems: dict[int, Problem] = {}
    for place, number in enumerate(numbers):
        area = int(areas[place])
        if area < least:
            problems[number] = Problem(
                "small object",
                f"object {number} has {area} of {pixels} pixels; at least {least:.0f} are needed",
            )
        elif area > settings.max_share * pixels:
            share = f"{area / pixels:.0%}"
            problems[number] = Problem("covering object", f"object {number} covers {share} of the image")
        elif (twins := np.flatnonzero(same[place, :place])).size:
            first = numbers[int(twins[0])]
            problems[number] = Problem("duplicate object", f"object {number} is object {first} again")
    return problems


def problems_of_meant(candidate: Candidate, problems: Mapping[int, Problem]) -> list[Problem]:
    """The faults of the objects that a candidate means."""
    return [problems[number] for number in candidate.numbers if number in problems]


def drop_objects(row: ImageRow, settings: FilterSettings) -> tuple[ImageRow, Counter[ProblemCode]]:
    """The row without objects that have faults, and their number by fault: for detected objects, before any proposal.

    Annotated objects stay, because instructions such as "all dogs" mean the small ones, too.
    """
    problems = object_problems(row, settings)
    kept = [found for number, found in enumerate(row.instances, start=1) if number not in problems]
    return replace(row, instances=tuple(kept)), Counter(problem.code for problem in problems.values())
