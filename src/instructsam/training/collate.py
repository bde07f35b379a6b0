"""Drawn scenes with instructions -> one training batch.

Targets travel as one mask stack per scene plus instance indices per phrase: instructions about the same image
share the masks, and few tensors cross the process border.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from instructsam.errors import InputError
from instructsam.model.variants.registry import variant
from instructsam.processing.processor import InstructSAMProcessor, Sample
from instructsam.structures.outputs import ModelInputs, PhraseTarget
from instructsam.training.auxiliary.dense_classes import SceneTruth, object_classes
from instructsam.world.instructions.caption import ORDERS, caption

if TYPE_CHECKING:
    from instructsam.world.instructions.instruction import Instruction
    from instructsam.world.splits.stream import WorldSample


@dataclass(frozen=True)
class TrainingBatch:
    """What one process trains on in one step; P phrases in the order of `inputs.phrase_ids`.

    Attributes:
        index: position in the stream.
        inputs: the model's inputs, with labels.
        scene_masks: uint8 [N, H, W] of each scene, visible pixels of its objects.
        scene_boxes: float32 [N, 4] of each scene, cxcywh in [0, 1], around the visible pixels.
        scene_classes: int64 [N, 4] of each scene, kind, colour, size and pattern of its objects.
        phrase_scene: the scene of each phrase.
        phrase_instances: the objects that each phrase names, in its scene; of `token_per_instance` those that each
            query block stands for, one or none.
        direct: for each instruction, whether it was given as its own phrase; captions are not counted.
        united: whether a phrase's objects are one target, as `token_as_mask` wants it.
    """

    index: int
    inputs: ModelInputs
    scene_masks: tuple[NDArray[np.uint8], ...]
    scene_boxes: tuple[NDArray[np.float32], ...]
    scene_classes: tuple[NDArray[np.int64], ...]
    phrase_scene: tuple[int, ...]
    phrase_instances: tuple[tuple[int, ...], ...]
    direct: tuple[bool, ...]
    united: bool = False

    def truths(self, device: torch.device | str) -> list[SceneTruth]:
        """What is where in each scene, on a device."""
        stacks = zip(self.scene_masks, self.scene_boxes, self.scene_classes, strict=True)
        return [SceneTruth(*(torch.from_numpy(array).to(device) for array in arrays)) for arrays in stacks]

    def targets(self, device: torch.device | str) -> list[PhraseTarget]:
        """The target of each phrase, on a device."""
        masks = [torch.from_numpy(array).to(device) for array in self.scene_masks]
        boxes = [torch.from_numpy(array).to(device) for array in self.scene_boxes]
        targets = []
        for scene, instances in zip(self.phrase_scene, self.phrase_instances, strict=True):
            index = torch.tensor(instances, dtype=torch.int64, device=device)
            targets.append(PhraseTarget(masks[scene][index], boxes[scene][index]))
        return [target.merged() for target in targets] if self.united else targets


def collate(
    index: int,
    scenes: list[WorldSample],
    direct: list[list[bool]],
    processor: InstructSAMProcessor,
    captions: bool = False,
) -> TrainingBatch:
    """One batch of some scenes with all their instructions.

    Args:
        index: position in the stream, kept for the log.
        scenes: the images with their instructions.
        direct: per scene and instruction, True to give the instruction as its own phrase. The target is
            then everything that the instruction names, whatever its phrases are, and no text is supervised.
        captions: also ask for each scene in words, without a phrase.

    Raises:
        InputError: an instruction names an object of which no pixel is visible.
    """
    form = variant("instance_form", processor.settings.instance_form)
    images, samples, flags = [], [], []
    masks, boxes = [], []
    phrase_scene: list[int] = []
    phrase_instances: list[tuple[int, ...]] = []
    for number, (scene, scene_direct) in enumerate(zip(scenes, direct, strict=True)):
        images.append(Image.fromarray(scene.rendered.image))
        masks.append(np.ascontiguousarray(scene.rendered.masks).astype(np.uint8))
        boxes.append(visible_boxes_cxcywh(scene.rendered.masks))
        for instruction, is_direct in zip(scene.instructions, scene_direct, strict=True):
            phrases, instances = phrases_and_instances(instruction, is_direct)
            blocks, instances = form.training_blocks(instances, boxes[number])
            samples.append(
                Sample(number, instruction.text, phrases, supervise_text=not is_direct, blocks=blocks),
            )
            flags.append(is_direct)
            phrase_scene.extend([number] * len(instances))
            phrase_instances.extend(instances)
        if captions:
            request, reply = caption(scene.rendered, order=(index + number) % len(ORDERS))
            samples.append(Sample(number, request, reply=reply))
    for scene_number, instances_of_phrase in zip(phrase_scene, phrase_instances, strict=True):
        for instance in instances_of_phrase:
            if not boxes[scene_number][instance, 2:].all():
                raise InputError(
                    f"batch {index}: object {instance} of scene {scene_number} is an answer but no pixel "
                    "of it is visible; instructions must only name visible objects"
                )
    return TrainingBatch(
        index=index,
        inputs=processor.encode(images, samples, labels=True),
        scene_masks=tuple(masks),
        scene_boxes=tuple(boxes),
        scene_classes=tuple(object_classes(scene.rendered.scene) for scene in scenes),
        phrase_scene=tuple(phrase_scene),
        phrase_instances=tuple(phrase_instances),
        direct=tuple(flags),
        united=form.merges_instances,
    )


def phrases_and_instances(
    instruction: Instruction, direct: bool
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """The phrases of one sample and the objects that each names.

    With `direct` the instruction is the only phrase and all objects of its canonical phrases are pooled.
    """
    if direct:
        pooled = sorted({instance for phrase in instruction.phrases for instance in phrase.instances})
        return (instruction.text,), (tuple(pooled),)
    return (
        tuple(phrase.text for phrase in instruction.phrases),
        tuple(tuple(phrase.instances) for phrase in instruction.phrases),
    )


def visible_boxes_cxcywh(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Boxes [N, 4] around the pixels of masks [N, H, W], in [0, 1]; zeros for an empty mask."""
    count, height, width = masks.shape
    boxes = np.zeros((count, 4), dtype=np.float32)
    for number, mask in enumerate(masks):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if rows.size:
            y1, y2, x1, x2 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
            boxes[number] = (
                (x1 + x2) / (2 * width),
                (y1 + y2) / (2 * height),
                (x2 - x1) / width,
                (y2 - y1) / height,
            )
    return boxes
