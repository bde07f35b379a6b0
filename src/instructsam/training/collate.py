"""Training samples -> one training batch.

Targets travel as one mask stack per image plus instance indices per phrase: instructions about the same image
share the masks, and few tensors cross the process border.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from instructsam.data.sample import SampleInstruction, TrainingSample
from instructsam.errors import InputError
from instructsam.model.variants.registry import variant
from instructsam.processing.processor import InstructSAMProcessor, Sample
from instructsam.structures.outputs import ModelInputs, PhraseTarget


@dataclass(frozen=True)
class ImageTruth:
    """The objects of one image.

    Attributes:
        masks: uint8 [N, H, W], visible pixels.
        boxes_cxcywh: float [N, 4] in [0, 1].
        classes: int64 [N, A], value of each attribute of each object, counted from 1.
    """

    masks: Tensor
    boxes_cxcywh: Tensor
    classes: Tensor


@dataclass(frozen=True)
class TrainingBatch:
    """The batch of one process in one step; P phrases in the order of `inputs.phrase_ids`.

    Attributes:
        index: position in the stream.
        inputs: the model's inputs, with labels.
        masks: uint8 [N, H, W] of each image, visible pixels of its objects.
        boxes_cxcywh: float32 [N, 4] of each image, in [0, 1], around the visible pixels.
        classes: int64 [N, A] of each image, values of its objects' attributes; None where a source knows none.
        phrase_image: the image of each phrase.
        phrase_instances: the objects that each phrase names, in its image; of `token_per_instance` those that each
            query block stands for, one or none.
        direct: for each instruction, whether it was given as its own phrase; descriptions are not counted.
        united: whether a phrase's objects are one target, as `token_as_mask` wants it.
    """

    index: int
    inputs: ModelInputs
    masks: tuple[NDArray[np.uint8], ...]
    boxes_cxcywh: tuple[NDArray[np.float32], ...]
    classes: tuple[NDArray[np.int64] | None, ...]
    phrase_image: tuple[int, ...]
    phrase_instances: tuple[tuple[int, ...], ...]
    direct: tuple[bool, ...]
    united: bool = False

    def truths(self, device: torch.device | str) -> list[ImageTruth]:
        """The objects of each image with their classes, on a device.

        Raises:
            InputError: the classes of an image are unknown.
        """
        truths = []
        for masks, boxes, classes in zip(self.masks, self.boxes_cxcywh, self.classes, strict=True):
            if classes is None:
                raise InputError(
                    f"batch {self.index}: the classes of an image's objects are unknown: set "
                    "loss.objectives.dense_classes=0"
                )
            arrays = (torch.from_numpy(array).to(device) for array in (masks, boxes, classes))
            truths.append(ImageTruth(*arrays))
        return truths

    def targets(self, device: torch.device | str) -> list[PhraseTarget]:
        """The target of each phrase, on a device."""
        masks = [torch.from_numpy(array).to(device) for array in self.masks]
        boxes = [torch.from_numpy(array).to(device) for array in self.boxes_cxcywh]
        targets = []
        for image, instances in zip(self.phrase_image, self.phrase_instances, strict=True):
            index = torch.tensor(instances, dtype=torch.int64, device=device)
            targets.append(PhraseTarget(masks[image][index], boxes[image][index]))
        return [target.merged() for target in targets] if self.united else targets


def collate(
    index: int,
    samples: Sequence[TrainingSample],
    direct: Sequence[Sequence[bool]],
    processor: InstructSAMProcessor,
) -> TrainingBatch:
    """One batch of some samples with all their instructions.

    Args:
        index: position in the stream, kept for the log.
        samples: images with their instructions; of one with descriptions, the batch takes one.
        direct: per sample and instruction, True to give the instruction as its own phrase. The target is
            then everything that the instruction names, whatever its phrases are, and no text is supervised.

    Raises:
        InputError: the masks of a sample are unknown.
    """
    form = variant("instance_form", processor.settings.instance_form)
    conversations: list[Sample] = []
    flags: list[bool] = []
    phrase_image: list[int] = []
    phrase_instances: list[tuple[int, ...]] = []
    for number, (sample, sample_direct) in enumerate(zip(samples, direct, strict=True)):
        for instruction, is_direct in zip(sample.instructions, sample_direct, strict=True):
            phrases, instances = phrases_and_instances(instruction, is_direct)
            blocks, instances = form.training_blocks(instances, sample.boxes_cxcywh)
            conversations.append(
                Sample(number, instruction.text, phrases, supervise_text=not is_direct, blocks=blocks),
            )
            flags.append(is_direct)
            phrase_image.extend([number] * len(instances))
            phrase_instances.extend(instances)
        if sample.descriptions:
            description = sample.descriptions[(index + number) % len(sample.descriptions)]
            conversations.append(Sample(number, description.request, reply=description.reply))
    images = [Image.fromarray(sample.image) for sample in samples]
    return TrainingBatch(
        index=index,
        inputs=processor.encode(images, conversations, labels=True),
        masks=tuple(_mask_stack(sample) for sample in samples),
        boxes_cxcywh=tuple(sample.boxes_cxcywh for sample in samples),
        classes=tuple(sample.classes for sample in samples),
        phrase_image=tuple(phrase_image),
        phrase_instances=tuple(phrase_instances),
        direct=tuple(flags),
        united=form.merges_instances,
    )


def _mask_stack(sample: TrainingSample) -> NDArray[np.uint8]:
    if sample.masks is None:
        raise InputError(f"sample {sample.id} has boxes only, and the losses need masks: leave it out")
    return np.ascontiguousarray(sample.masks).astype(np.uint8)


def phrases_and_instances(
    instruction: SampleInstruction, direct: bool
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """The phrases of one conversation and the objects that each names.

    With `direct` the instruction is the only phrase and all objects of its target phrases are pooled.
    """
    if direct:
        pooled = sorted({instance for phrase in instruction.phrases for instance in phrase.instances})
        return (instruction.text,), (tuple(pooled),)
    return (
        tuple(phrase.text for phrase in instruction.phrases),
        tuple(phrase.instances for phrase in instruction.phrases),
    )
