"""`label`: labels of many images as a stream, in Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from PIL import Image

from instructsam.checkpoints.devices import pick_device
from instructsam.errors import InputError
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.names import UniqueNames
from instructsam.inference import loading
from instructsam.inference.image_list import find_images
from instructsam.inference.run_requests import Failure, RunSettings
from instructsam.labelling.answerer import Answerer, JobModel
from instructsam.labelling.classes import ClassList, LabelClass, class_list
from instructsam.labelling.engine import answer_batches
from instructsam.labelling.pictures import Batch, Picture, chunks, pictures_per_batch
from instructsam.labelling.selection import LabelSource, Selection, select
from instructsam.structures.answering import Mode
from instructsam.structures.checks import check_choice, check_count, check_fraction, check_path, describe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instructsam.inference.segmenter import Segmenter

    ImageSource: TypeAlias = str | Path | Image.Image | NDArray[np.uint8]


def label(
    images: ImageSource | Iterable[ImageSource],
    instructions: str | Sequence[str] | Mapping[str, str],
    model: str | Path | Segmenter | None = None,
    *,
    batch_size: int = 16,
    devices: Sequence[str] | None = None,
    recursive: bool = False,
    mode: Mode = "auto",
    score_threshold: float | None = None,
    nms: float | None = None,
    nms_per_class: bool = False,
    labels: LabelSource = "classes",
) -> Iterator[LabelledImage | Failure]:
    """Label many images with the same instructions; results are yielded in order, while later images are computed.

    A bounded number of images is in memory: at most two batches, and with several devices a few per device. Close the
    iterator, or let it end, to stop the worker processes. Nothing is stored; `instructsam label` stores and resumes.

    Args:
        images: a folder, one image, or any iterable of paths, PIL images and uint8 arrays [H, W, 3].
        instructions: one or several, or `{class name: instruction}`.
        model: as `instructsam.load` takes it, or a loaded `Segmenter`.
        batch_size: answers (images x instructions) per forward pass.
        devices: such as ["cuda:0", "cuda:1"]: one process each. A script that uses several must call this under
            `if __name__ == "__main__":`.
        recursive: search the subfolders of a folder.
        mode: "generate", "direct" or "auto".
        score_threshold: lowest score in [0, 1]; None is the model's default.
        nms: an instance whose mask has at least this IoU with one of a higher score is left out; None keeps all.
        nms_per_class: only among instances of one class.
        labels: "classes": an instance is labelled with the class name (or instruction); "phrases": with its phrase.

    Yields:
        A `LabelledImage`, or a `Failure` for an image that cannot be read. With one device `LabelledImage.image` holds
        the pixels; with several it is None, and `pixels()` reads the file.

    Raises:
        InputError: an argument cannot be used.
        InstructSAMError: the model cannot be opened, or worker processes keep dying.
    """
    check_count(batch_size, "batch_size")
    check_choice(labels, "labels", ("classes", "phrases"))
    for value, name in ((score_threshold, "score_threshold"), (nms, "nms")):
        check_fraction(value, name) if value is not None else None
    classes = _classes(instructions)
    selection = Selection(None, nms, nms_per_class, labels)
    settings = RunSettings(mode=mode, score_threshold=score_threshold)
    openers = _openers(model, devices)
    alone = len(openers) == 1
    answerers = [Answerer(opener, settings, batch_size, keep_images=alone) for opener in openers]
    return _stream(answerers, _pictures(images, recursive), classes, selection)


def _stream(
    answerers: Sequence[Answerer], pictures: Iterator[Picture], classes: ClassList, selection: Selection
) -> Iterator[LabelledImage | Failure]:
    size = pictures_per_batch(answerers[0].batch_size, len(classes.instructions))
    batches = (
        Batch(index, tuple(group), classes.instructions) for index, group in enumerate(chunks(pictures, size))
    )
    for answers in answer_batches(answerers, batches):
        for picture, found in zip(answers.batch.pictures, answers.pictures, strict=True):
            if found.error:
                yield Failure(picture.path or Path(picture.name), found.error)
                continue
            chosen = select(picture.name, picture.path, found.answers, classes.labels, selection)
            yield chosen.labelled(found.image)


def _classes(instructions: object) -> ClassList:
    if isinstance(instructions, str):
        return class_list([instructions])
    if isinstance(instructions, Mapping):
        found = class_list(list(instructions.values()))
        names = class_list(list(instructions))
        pairs = zip(names.classes, found.classes, strict=True)
        return ClassList(tuple(LabelClass(name.name, entry.instruction) for name, entry in pairs))
    if not isinstance(instructions, Sequence) or isinstance(instructions, bytes | bytearray):
        raise InputError(
            f"instructions must be text, a list of texts or {{name: instruction}}, got {describe(instructions)}"
        )
    return class_list(instructions)


def _pictures(images: object, recursive: bool) -> Iterator[Picture]:
    """Pictures with distinct names; a missing folder is reported at once, other images when they are decoded."""
    if isinstance(images, str | os.PathLike):
        path = check_path(images, "images")
        if os.path.isdir(path):
            return (Picture(image.name, image.path) for image in find_images([path], recursive).found)
        return _named([path])
    if isinstance(images, Image.Image | np.ndarray):
        return _named([images])
    if not isinstance(images, Iterable):
        raise InputError(f"images must be a folder or an iterable of images, got {describe(images)}")
    return _named(images)


def _named(sources: Iterable[object]) -> Iterator[Picture]:
    names = UniqueNames()
    for index, source in enumerate(sources):
        if isinstance(source, str | os.PathLike):
            path = check_path(source, f"images[{index}]")
            yield Picture(names.name(str(path)), path)
        elif isinstance(source, Image.Image | np.ndarray):
            yield Picture(names.name(None), source)
        else:
            raise InputError(
                f"images[{index}] must be a path, a PIL image or an array, got {describe(source)}"
            )


def _openers(model: object, devices: Sequence[str] | None) -> list[partial[JobModel]]:
    """A function per device that opens the model."""
    if devices is not None and (isinstance(devices, str) or not devices):
        raise InputError(f'devices must be a list such as ["cuda:0", "cuda:1"], got {describe(devices)}')
    if model is not None and not isinstance(model, str | os.PathLike):
        if not hasattr(model, "segment_jobs"):
            raise InputError(f"model must be a name, a folder or a Segmenter, got {describe(model)}")
        if devices is not None:
            raise InputError("a loaded model has its device already: give its name or folder with devices=")
        return [partial(_given, cast("JobModel", model))]
    name = None if model is None else check_path(model, "model")
    names = [*devices] if devices is not None else ["auto"]
    for device in names if devices is not None else ():
        pick_device(device)
    shared = len(names) > 1
    return [partial(_load, None if name is None else str(model), device, shared) for device in names]


def _given(model: JobModel) -> JobModel:
    return model


def _load(name: str | None, device: str, own_process: bool) -> JobModel:
    segmenter = loading.load(name, device=device)
    if own_process:
        from instructsam.inference.threads import use_threads

        use_threads(None, segmenter.num_parameters)
    return segmenter
