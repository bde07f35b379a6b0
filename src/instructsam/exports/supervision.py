"""`supervision.Detections`, for the annotators and trackers of that library."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from instructsam.errors import MissingExtraError
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.options import ExportOptions


class Options(ExportOptions):
    """`supervision` has no options."""


def convert_image(image: LabelledImage, options: Options) -> Any:
    """The instances as `supervision.Detections`; class_id is the place of the label in `image.classes`.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    try:
        supervision = importlib.import_module("supervision")
    except ImportError as error:
        message = "to_supervision needs supervision: pip install 'instructsam[viz]'"
        raise MissingExtraError(message) from error
    found = image.instances
    return supervision.Detections(
        xyxy=found.boxes_xyxy.copy(),
        mask=found.masks.copy(),
        confidence=found.scores.copy(),
        class_id=np.array([image.classes.index(label) for label in image.labels], dtype=int),
        data={"class_name": np.array(image.labels, dtype=np.str_)},
    )
