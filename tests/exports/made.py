"""Predictions made for the tests of exports."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.structures.instances import Instances
from instructsam.structures.masks import mask_boxes_xyxy
from instructsam.structures.predictions import Prediction

HOSTILE_LABELS = (
    "mug",
    "a \"quoted\" <b>&amp; 'label'",
    "line\nbreak, comma; tab\t",
    "🦊 图 \u202e reversed",
    "x" * 2000,
    "../../etc/passwd",
    "- !yaml: {[#]}",
    "null",
)
"""Labels that a format must write as text."""


def prediction(
    masks: int | NDArray[np.bool_] = 2,
    phrases: tuple[str, ...] = ("mug",),
    instruction: str = "the mugs",
    size: tuple[int, int] = (4, 6),
    phrase_ids: list[int] | None = None,
    **fields: Any,
) -> Prediction:
    """A prediction with so many boxes as masks, or with these masks [N, H, W]."""
    if isinstance(masks, int):
        stack = np.zeros((masks, *size), np.bool_)
        for number in range(masks):
            stack[number, : 1 + number % size[0], : 2 + number % size[1]] = True
    else:
        stack = masks
    count = len(stack)
    instances = Instances(
        stack,
        mask_boxes_xyxy(stack),
        np.linspace(0.9, 0.5, count, dtype=np.float32),
        np.array(phrase_ids or [0] * count, np.int64),
    )
    status = "ok" if count else "no_target"
    return Prediction(instances, phrases, "", status, instruction, stack.shape[1:], **fields)
