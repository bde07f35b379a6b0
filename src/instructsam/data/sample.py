"""One training sample: an image, instructions about it, and the instances that each of their phrases names.

Shapes: N objects, A attributes. Numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructsam.data.record import Known
from instructsam.errors import InputError
from instructsam.structures.boxes import xyxy_to_cxcywh
from instructsam.structures.masks import mask_boxes_xyxy


@dataclass(frozen=True)
class ObjectAttribute:
    """An attribute that a source knows of every object in its images, such as the category.

    Attributes:
        name: in the log of the losses.
        values: number of values; `TrainingSample.classes` counts them from 1, 0 is background.
        loss_weight: of its classification loss, relative to the other attributes.
    """

    name: str
    values: int
    loss_weight: float = 1.0


@dataclass(frozen=True)
class SamplePhrase:
    """A target phrase and its instances, indices into the sample's objects; none for no target."""

    text: str
    instances: tuple[int, ...]


@dataclass(frozen=True)
class SampleInstruction:
    """An instruction and its target phrases, at least one.

    Attributes:
        ignore: indices into the sample's objects; no loss of this instruction counts their pixels.
        family: kind of the instruction in its source, such as OCR; augmentation leaves text in pictures readable.
    """

    text: str
    phrases: tuple[SamplePhrase, ...]
    ignore: tuple[int, ...] = ()
    family: str = ""


@dataclass(frozen=True)
class Description:
    """A request that is answered in words, without a phrase."""

    request: str
    reply: str


@dataclass(frozen=True)
class TrainingSample:
    """An image with everything that is trained on it.

    Attributes:
        id: for messages.
        image: uint8 [H, W, 3], RGB, upright.
        instructions: share the image and its vision passes.
        boxes_cxcywh: float32 [N, 4] in [0, 1].
        masks: bool [N, H, W], what is known of each object: its visible pixels, or its filled box, or the pixel of
            one point on it.
        classes: int64 [N, A], values of the source's attributes for every object in the image, not only for those that
            a phrase names; None where they are unknown.
        descriptions: a batch takes one of them, in turn.
        known: which of these `masks` shows, for each object; () where it shows visible pixels of all.
    """

    id: str
    image: NDArray[np.uint8]
    instructions: tuple[SampleInstruction, ...]
    boxes_cxcywh: NDArray[np.float32]
    masks: NDArray[np.bool_]
    classes: NDArray[np.int64] | None = None
    descriptions: tuple[Description, ...] = ()
    known: tuple[Known, ...] = ()

    def __post_init__(self) -> None:
        height, width = self.image.shape[:2]
        count = len(self.boxes_cxcywh)
        _check(self.id, "image", self.image, "uint8", (height, width, 3))
        _check(self.id, "boxes_cxcywh", self.boxes_cxcywh, "float32", (count, 4))
        _check(self.id, "masks", self.masks, "bool", (count, height, width))
        if self.known and len(self.known) != count:
            raise InputError(
                f"sample {self.id}: known must be empty or name what is known of each of the {count} objects, "
                f"got {len(self.known)} entries"
            )
        if self.classes is not None:
            _check(self.id, "classes", self.classes, "int64", (count, *self.classes.shape[1:2]))
        for instruction in self.instructions:
            for phrase in instruction.phrases:
                self._check_objects(f"phrase {phrase.text!r} names", phrase.instances)
            self._check_objects(f"instruction {instruction.text!r} ignores", instruction.ignore)

    def _check_objects(self, subject: str, objects: Sequence[int]) -> None:
        count = len(self.boxes_cxcywh)
        for index in objects:
            if not 0 <= index < count or not self.boxes_cxcywh[index, 2:].all():
                raise InputError(
                    f"sample {self.id}: {subject} object {index}, which has no visible pixel: "
                    f"name one of the {count} objects whose box is not empty"
                )


def _check(sample: str, name: str, array: NDArray[np.generic], dtype: str, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise InputError(
            f"sample {sample}: {name} must be {dtype} {shape}, got {array.dtype} {tuple(array.shape)}"
        )


def relative_boxes_cxcywh(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Boxes [N, 4] around the pixels of masks [N, H, W], in [0, 1]; zeros for an empty mask."""
    height, width = masks.shape[1:]
    boxes = xyxy_to_cxcywh(mask_boxes_xyxy(masks).astype(np.float64))
    return (boxes / (width, height, width, height)).astype(np.float32)
