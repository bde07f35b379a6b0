"""FiftyOne: samples with instance masks, or a data set of them.

Samples need the library alone; a data set needs the MongoDB server that FiftyOne starts by itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from instructsam.errors import InputError, MissingExtraError, first_line
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.options import ExportOptions
from instructsam.structures.masks import mask_boxes_xyxy


class Options(ExportOptions):
    """Options of `fiftyone`.

    Attributes:
        dataset: name of a new data set to add the samples to; None returns a list of samples.
        field: of the samples, that holds the instances.
        persistent: the data set is kept when the session ends.
    """

    dataset: str | None = None
    field: str = "predictions"
    persistent: bool = False


def convert(images: Iterable[LabelledImage], options: Options) -> Any:
    """A list of `fiftyone.Sample`, or a `fiftyone.Dataset`.

    Each sample has the instances as `Detections`, all texts in `instructions`, and those without a target in
    `no_target`.

    Raises:
        InputError: an image has no file, or the data set cannot be made.
        MissingExtraError: FiftyOne is not installed.
    """
    library = _library()
    samples = [_sample(library, image, options.field) for image in images]
    if options.dataset is None:
        return samples
    try:
        dataset = library.Dataset(options.dataset, persistent=options.persistent)
    except (ValueError, library.core.config.FiftyOneConfigError) as error:
        raise InputError(
            f"the FiftyOne data set {options.dataset!r:.60} cannot be made ({first_line(error)})"
        ) from error
    dataset.add_samples(samples)
    return dataset


def _sample(library: Any, image: LabelledImage, field: str) -> Any:
    if image.path is None:
        raise InputError(f"{image.name}: FiftyOne shows image files, got an image in memory: save it first")
    values = {
        field: _detections(library, image),
        "instructions": [prediction.instruction for prediction in image.predictions],
        "no_target": [found.instruction for found in image.predictions if found.status == "no_target"],
    }
    return library.Sample(filepath=str(image.path.absolute()), **values)


def _detections(library: Any, image: LabelledImage) -> Any:
    height, width = image.size
    found = image.instances
    boxes = mask_boxes_xyxy(found.masks).astype(int)  # of the pixels: FiftyOne stretches a mask over its box
    detections = []
    for index, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        mask = found.masks[index, y1:y2, x1:x2].copy()
        if not mask.size:
            x1, y1, x2, y2 = found.boxes_xyxy[index].tolist()
        detections.append(
            library.Detection(
                label=image.labels[index],
                bounding_box=[x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height],
                mask=mask if mask.size else None,
                confidence=float(found.scores[index]),
                instruction=image.instructions[index],
            )
        )
    return library.Detections(detections=detections)


def _library() -> Any:
    try:
        return importlib.import_module("fiftyone")
    except ImportError as error:
        raise MissingExtraError("FiftyOne is not installed: pip install 'instructsam[fiftyone]'") from error
