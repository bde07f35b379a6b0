"""`supervision.Detections`, for the annotators and trackers of that library, or a `supervision.DetectionDataset`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from instructsam.errors import InputError, MissingExtraError
from instructsam.exports.categories import Categories, Classes
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.options import ExportOptions


class Options(ExportOptions):
    """Options of `supervision`.

    Attributes:
        classes: class names in order; None takes the labels in the order in which they appear.
        dataset: several images become one `DetectionDataset`, which opens the image files when they are needed, instead
            of a list of `Detections`.
    """

    classes: Classes = None
    dataset: bool = False


def convert_image(image: LabelledImage, options: Options) -> Any:
    """The instances of one image as `Detections`; class_id counts its labels.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    found = convert([image], options)
    return found if options.dataset else found[0]


def convert(images: Iterable[LabelledImage], options: Options) -> Any:
    """A list of `Detections`, or a `DetectionDataset`; class_id counts the labels of all images.

    Raises:
        InputError: a data set is wanted, and an image has no file or comes twice.
        MissingExtraError: supervision is not installed.
    """
    found = list(images)
    categories = Categories(options.classes)
    for image in found:
        categories.add(image)
    if not options.dataset:
        return [_detections(image, categories) for image in found]
    annotations: dict[str, Any] = {}
    for image in found:
        if image.path is None:
            raise InputError(
                f"{image.name}: a DetectionDataset needs image files, got an image in memory: save it first"
            )
        if str(image.path) in annotations:
            raise InputError(
                f"{image.path}: expected each image once, got it again: pass predictions about it side by side"
            )
        annotations[str(image.path)] = _detections(image, categories)
    return _library().DetectionDataset(
        classes=list(categories.numbers), images=list(annotations), annotations=annotations
    )


def _detections(image: LabelledImage, categories: Categories) -> Any:
    found = image.instances
    return _library().Detections(
        xyxy=found.boxes_xyxy.copy(),
        mask=found.masks.copy(),
        confidence=found.scores.copy(),
        class_id=np.array([categories[label] for label in image.labels], dtype=int),
        data={
            "class_name": np.array(image.labels, dtype=np.str_),
            "instruction": np.array(image.instructions, dtype=np.str_),
        },
    )


def _library() -> Any:
    try:
        return importlib.import_module("supervision")
    except ImportError as error:
        raise MissingExtraError("supervision is not installed: pip install 'instructsam[viz]'") from error
