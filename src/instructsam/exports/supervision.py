"""`supervision.Detections`, for the annotators and trackers of that library."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from instructsam.errors import MissingExtraError
from instructsam.exports.protocol import ExportedInstances


def export(instances: ExportedInstances, phrases: Sequence[str]) -> Any:
    """The instances as `supervision.Detections`, with the phrases as class names.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    try:
        supervision = importlib.import_module("supervision")
    except ImportError as error:
        message = "to_supervision needs supervision: pip install 'instructsam[viz]'"
        raise MissingExtraError(message) from error
    names = np.array([phrases[index] for index in instances.phrase_ids], dtype=np.str_)
    return supervision.Detections(
        xyxy=instances.boxes_xyxy.copy(),
        mask=instances.masks.copy(),
        confidence=instances.scores.copy(),
        class_id=instances.phrase_ids.astype(int),
        data={"class_name": names},
    )
