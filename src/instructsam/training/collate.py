"""Training samples -> one training batch, in loader workers: as much of a step as needs no weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from instructsam.data.sample import SampleInstruction, TrainingSample
from instructsam.losses.targets import resize_masks
from instructsam.model.packed import pack
from instructsam.model.shared_prefix import shared_prefixes
from instructsam.model.variants.registry import variant
from instructsam.processing.processor import InstructSAMProcessor, Sample
from instructsam.structures.outputs import ModelInputs, PhraseTarget
from instructsam.training.batch import CellTargets, ObjectTargets, OutputSizes, TrainingBatch

COVER = 0.3  # a cell belongs to the object that covers most of it, at least this share
Instances = tuple[int, ...]


def collate(
    index: int,
    samples: Sequence[TrainingSample],
    direct: Sequence[Sequence[bool]],
    processor: InstructSAMProcessor,
    sizes: OutputSizes,
) -> TrainingBatch:
    """One batch of some samples with all their instructions.

    Args:
        index: number of the first sample in the stream, kept for messages.
        samples: images with their instructions; of one with descriptions, the batch takes one.
        direct: per sample and instruction, True to give the instruction as its own phrase. The target is
            then everything that the instruction names, whatever its phrases are, and no text is supervised.
        processor: of the model.
        sizes: of the model's outputs.
    """
    form = variant("instance_form", processor.settings.instance_form)
    conversations: list[Sample] = []
    phrases_of: list[list[Instances]] = [[] for _ in samples]
    for number, (sample, sample_direct) in enumerate(zip(samples, direct, strict=True)):
        for instruction, is_direct in zip(sample.instructions, sample_direct, strict=True):
            phrases, instances = phrases_and_instances(instruction, is_direct)
            blocks, instances = form.training_blocks(instances, sample.boxes_cxcywh)
            conversations.append(
                Sample(number, instruction.text, phrases, supervise_text=not is_direct, blocks=blocks),
            )
            phrases_of[number].extend(instances)
        if sample.descriptions:
            description = sample.descriptions[(index + number) % len(sample.descriptions)]
            conversations.append(Sample(number, description.request, reply=description.reply))
    pixels = processor.encode_bytes([sample.image for sample in samples])
    inputs = processor.encode_samples(pixels, conversations, labels=True)
    masks = [torch.from_numpy(sample.masks).view(torch.uint8) for sample in samples]
    tokens = (inputs.input_ids, inputs.attention_mask)
    positions = sizes.positions(*tokens, inputs.image_grid_thw[inputs.image_index])
    conversations_of = (*tokens, inputs.block_ids, inputs.image_index, sizes.image_token)
    prefixes = shared_prefixes(*conversations_of)
    return TrainingBatch(
        index=index,
        inputs=inputs,
        packed=pack(positions, *conversations_of, prefixes, inputs.labels),
        targets=object_targets(samples, masks, phrases_of, sizes, form.merges_instances),
        cells=_cells(samples, masks, inputs, sizes),
        direct=tuple(is_direct for sample_direct in direct for is_direct in sample_direct),
    )


def object_targets(
    samples: Sequence[TrainingSample],
    masks: Sequence[Tensor],
    phrases_of: Sequence[Sequence[Instances]],
    sizes: OutputSizes,
    merge: bool,
) -> ObjectTargets:
    """Targets at mask size.

    Args:
        samples, masks: I images, with uint8 [N, H, W] masks.
        phrases_of: for each image the objects of each phrase.
        sizes: of the model's outputs.
        merge: the objects of a phrase are one target, the union of their masks.
    """
    resized: list[Tensor] = []
    boxes: list[Tensor] = []
    rows: list[list[int]] = []
    first = 0
    for sample, stack, phrases in zip(samples, masks, phrases_of, strict=True):
        objects = PhraseTarget(stack, torch.from_numpy(sample.boxes_cxcywh))
        own = [list(instances) for instances in phrases]
        if merge:
            merged = [_merged(objects, instances) for instances in own if instances]
            objects = PhraseTarget(
                torch.cat([stack[:0], *(target.masks for target in merged)]),
                torch.cat([objects.boxes_cxcywh[:0], *(target.boxes_cxcywh for target in merged)]),
            )
            places = iter(range(len(merged)))
            own = [[next(places)] if instances else [] for instances in own]
        rows += [[first + number for number in instances] for instances in own]
        resized.append(_resized(objects.masks, sizes))
        boxes.append(objects.boxes_cxcywh)
        first += len(objects.masks)
    empty = torch.zeros(1, *sizes.mask_size, dtype=resized[0].dtype)
    most = max((len(row) for row in rows), default=0)
    return ObjectTargets(
        masks=torch.cat([*resized, empty]),
        boxes_cxcywh=torch.cat([*boxes, torch.zeros(1, 4)]),
        objects=torch.tensor([row + [first] * (most - len(row)) for row in rows], dtype=torch.int64).view(
            len(rows), most
        ),
        counts=tuple(len(row) for row in rows),
    )


def _merged(objects: PhraseTarget, instances: Sequence[int]) -> PhraseTarget:
    chosen = list(instances)
    return PhraseTarget(objects.masks[chosen], objects.boxes_cxcywh[chosen]).merged()


def _resized(masks: Tensor, sizes: OutputSizes) -> Tensor:
    """Masks [N, h, w]; uint8 where they stay binary, a quarter of the memory."""
    resized = resize_masks(masks, sizes.mask_size, sizes.resize)
    return resized.to(torch.uint8) if sizes.resize == "nearest" else resized


def _cells(
    samples: Sequence[TrainingSample], masks: Sequence[Tensor], inputs: ModelInputs, sizes: OutputSizes
) -> CellTargets | None:
    grids = (inputs.image_grid_thw[:, 1:] // sizes.merge_size).tolist()
    found = []
    for encoder in (grids, [sizes.cells] * len(samples)):
        for sample, stack, (rows, columns) in zip(samples, masks, encoder, strict=True):
            if sample.classes is None:
                return None
            boxes, classes = torch.from_numpy(sample.boxes_cxcywh), torch.from_numpy(sample.classes)
            found.append(cell_targets(stack, boxes, classes, rows, columns))
    return CellTargets(
        torch.cat([cells.classes for cells in found]), torch.cat([cells.boxes for cells in found])
    )


def cell_targets(
    masks: Tensor, boxes_cxcywh: Tensor, classes: Tensor, rows: int, columns: int
) -> CellTargets:
    """Targets of a grid laid over one image.

    Args:
        masks: uint8 [N, H, W].
        boxes_cxcywh: float32 [N, 4].
        classes: int64 [N, A].
        rows, columns: of the grid.
    """
    if not len(masks):
        nothing = classes.new_zeros(rows * columns, classes.shape[1])
        return CellTargets(nothing, torch.zeros(rows * columns, 4))
    cover = F.adaptive_avg_pool2d(masks.float().unsqueeze(0), (rows, columns))[0].flatten(1)
    share, chosen = cover.max(dim=0)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    centres = torch.stack([(x + 0.5) / columns, (y + 0.5) / rows], dim=-1).flatten(0, 1)
    boxes = boxes_cxcywh[chosen]
    return CellTargets(
        torch.where((share >= COVER).unsqueeze(1), classes[chosen], 0),
        torch.cat([boxes[:, :2] - centres, boxes[:, 2:]], dim=1),
    )


def phrases_and_instances(
    instruction: SampleInstruction, direct: bool
) -> tuple[tuple[str, ...], tuple[Instances, ...]]:
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
