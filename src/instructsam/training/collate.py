"""Training samples -> one training batch, in loader workers: as much of a step as needs no weights."""

from __future__ import annotations

from collections.abc import Sequence

from instructsam.data.sample import SampleInstruction, TrainingSample
from instructsam.model.packed import pack
from instructsam.model.shared_prefix import shared_prefixes
from instructsam.model.variants.registry import variant
from instructsam.processing.processor import InstructSAMProcessor, Sample
from instructsam.training.batch import OutputSizes, TrainingBatch
from instructsam.training.cell_targets import batch_cells
from instructsam.training.object_targets import Instances, PhrasesOfSample, mask_tensor, object_targets


def collate(
    index: int,
    samples: Sequence[TrainingSample],
    direct: Sequence[Sequence[bool]],
    processor: InstructSAMProcessor,
    sizes: OutputSizes,
) -> TrainingBatch:
    """One batch of some samples with all their instructions.

    Args:
        index: number of the first sample in the stream.
        samples: images with their instructions; of one with descriptions, the batch takes one by its number.
        direct: per sample and instruction, True to give the instruction as its own phrase. The target is
            then everything that the instruction names, whatever its phrases are, and no text is supervised.
        processor: of the model.
        sizes: of the model's outputs.
    """
    form = variant("instance_form", processor.settings.instance_form)
    conversations: list[Sample] = []
    phrases_of = [PhrasesOfSample() for _ in samples]
    for number, (sample, sample_direct) in enumerate(zip(samples, direct, strict=True)):
        for instruction, is_direct in zip(sample.instructions, sample_direct, strict=True):
            phrases, instances = phrases_and_instances(instruction, is_direct)
            blocks, instances = form.training_blocks(instances, sample.boxes_cxcywh)
            conversations.append(
                Sample(number, instruction.text, phrases, supervise_text=not is_direct, blocks=blocks),
            )
            phrases_of[number].instances.extend(instances)
            phrases_of[number].ignored.extend([instruction.ignore] * len(instances))
        if sample.descriptions:
            description = sample.descriptions[(index + number) % len(sample.descriptions)]
            conversations.append(Sample(number, description.request, reply=description.reply))
    pixels = processor.encode_bytes([sample.image for sample in samples])
    inputs = processor.encode_samples(pixels, conversations, labels=True)
    masks = [mask_tensor(sample) for sample in samples]
    tokens = (inputs.input_ids, inputs.attention_mask)
    positions = sizes.positions(*tokens, inputs.image_grid_thw[inputs.image_index])
    conversations_of = (*tokens, inputs.block_ids, inputs.image_index, sizes.image_token)
    prefixes = shared_prefixes(*conversations_of)
    return TrainingBatch(
        index=index,
        inputs=inputs,
        packed=pack(positions, *conversations_of, prefixes, inputs.labels),
        targets=object_targets(samples, masks, phrases_of, sizes, form.merges_instances),
        cells=batch_cells(samples, masks, inputs, sizes),
        direct=tuple(is_direct for sample_direct in direct for is_direct in sample_direct),
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
