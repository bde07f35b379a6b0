from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.collate import TrainingBatch, phrases_and_instances, visible_boxes_cxcywh
from instructsam.training.settings import DataSettings
from instructsam.training.stream import WorldBatches, batches
from instructsam.world.instructions.instruction import Instruction, PhraseAnswer
from instructsam.world.splits.stream import WorldSettings, world_sample

SETTINGS = DataSettings(scenes_per_batch=3, instructions_per_scene=4, short_sides=(64, 80))


def assert_same(one: TrainingBatch, other: TrainingBatch) -> None:
    assert one.index == other.index
    for field in fields(one.inputs):
        assert torch.equal(getattr(one.inputs, field.name), getattr(other.inputs, field.name)), field.name
    for a, b in zip(one.targets("cpu"), other.targets("cpu"), strict=True):
        assert torch.equal(a.masks, b.masks)
        assert torch.equal(a.boxes_cxcywh, b.boxes_cxcywh)


def test_a_batch_depends_on_its_number_alone(processor: InstructSAMProcessor) -> None:
    here = list(batches(WorldBatches(processor, SETTINGS, seed=3), 0, 4))
    later = list(batches(WorldBatches(processor, SETTINGS, seed=3), 2, 4))
    assert [batch.index for batch in later] == [2, 3]
    for one, other in zip(here[2:], later, strict=True):
        assert_same(one, other)
    another_seed = WorldBatches(processor, SETTINGS, seed=4)[0]
    assert not torch.equal(here[0].inputs.detector_pixel_values, another_seed.inputs.detector_pixel_values)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_bring_the_same_batches_in_order(processor: InstructSAMProcessor) -> None:
    plain = list(batches(WorldBatches(processor, SETTINGS, seed=3), 5, 9))
    worked = list(batches(WorldBatches(processor, SETTINGS.model_copy(update={"workers": 2}), seed=3), 5, 9))
    for one, other in zip(plain, worked, strict=True):
        assert_same(one, other)


def test_reading_batches_leaves_the_random_state_alone(processor: InstructSAMProcessor) -> None:
    state = torch.get_rng_state()
    next(batches(WorldBatches(processor, SETTINGS, seed=3), 0, 1))
    assert torch.equal(state, torch.get_rng_state())


def test_processes_share_the_scenes_out(processor: InstructSAMProcessor) -> None:
    whole = WorldBatches(
        processor, DataSettings(scenes_per_batch=6, instructions_per_scene=2, short_sides=(64,)), seed=1
    )[0]
    parts = [
        WorldBatches(
            processor,
            DataSettings(scenes_per_batch=3, instructions_per_scene=2, short_sides=(64,)),
            1,
            rank,
            2,
        )[0]
        for rank in range(2)
    ]
    pixels = torch.cat([part.inputs.detector_pixel_values for part in parts])
    assert torch.equal(whole.inputs.detector_pixel_values, pixels)


def test_targets_are_the_worlds_answers(processor: InstructSAMProcessor) -> None:
    settings = DataSettings(
        scenes_per_batch=6, instructions_per_scene=6, short_sides=(64,), direct_fraction=0.0
    )
    batch = WorldBatches(processor, settings, seed=11)[2]
    world = WorldSettings(short_sides=(64,), instructions_per_scene=6)
    expected = []
    for position in range(12, 18):
        scene = world_sample(11, position, world)
        for instruction in scene.instructions:
            for phrase in instruction.phrases:
                expected.append(scene.rendered.masks[list(phrase.instances)])
    targets = batch.targets("cpu")
    assert len(targets) == len(expected) == len(batch.inputs.phrase_ids)
    for target, masks in zip(targets, expected, strict=True):
        assert target.masks.dtype == torch.uint8
        assert np.array_equal(target.masks.numpy().astype(bool), masks)
        assert np.allclose(target.boxes_cxcywh.numpy(), visible_boxes_cxcywh(masks))
    assert {0, 1} < {len(masks) for masks in expected}


@pytest.mark.parametrize("direct_fraction", [0.0, 0.5, 1.0])
def test_written_samples_supervise_text_and_direct_ones_do_not(
    processor: InstructSAMProcessor, direct_fraction: float
) -> None:
    settings = DataSettings(
        scenes_per_batch=4, instructions_per_scene=6, short_sides=(64,), direct_fraction=direct_fraction
    )
    batch = WorldBatches(processor, settings, seed=5)[0]
    labels = batch.inputs.labels
    assert labels is not None
    assert [not bool(row) for row in (labels != -100).any(dim=1)] == list(batch.direct)
    assert abs(np.mean(batch.direct) - direct_fraction) < 0.35
    owners = batch.inputs.phrase_sample.tolist()
    assert all(owners.count(number) == 1 for number, direct in enumerate(batch.direct) if direct)


def test_captions_are_not_counted_as_instructions(processor: InstructSAMProcessor) -> None:
    plain, told = (
        WorldBatches(
            processor,
            DataSettings(scenes_per_batch=2, instructions_per_scene=3, short_sides=(64,), captions=captions),
            seed=5,
        )[0]
        for captions in (False, True)
    )
    assert told.direct == plain.direct
    assert len(told.inputs.input_ids) == len(plain.inputs.input_ids) + 2


def test_a_direct_sample_pools_the_instances_of_all_phrases() -> None:
    instruction = Instruction(
        "the cups and what stands left of the bus",
        (PhraseAnswer("mug", (3, 1)), PhraseAnswer("apple", ()), PhraseAnswer("key", (1, 4))),
        "multi",
        "template",
        {},
    )
    assert phrases_and_instances(instruction, direct=True) == ((instruction.text,), ((1, 3, 4),))
    assert phrases_and_instances(instruction, direct=False) == (("mug", "apple", "key"), ((3, 1), (), (1, 4)))


def test_boxes_by_hand() -> None:
    masks = np.zeros((2, 4, 8), dtype=bool)
    masks[0, 1:3, 2:6] = True
    assert visible_boxes_cxcywh(masks).tolist() == [[0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]]


def test_nouns_rise_with_the_batches(processor: InstructSAMProcessor) -> None:
    settings = DataSettings(
        scenes_per_batch=2, instructions_per_scene=4, short_sides=(64,), direct_fraction=0.0,
        nouns={"kinds": 3, "colors": 0},
    )  # fmt: skip
    dataset = WorldBatches(processor, settings, seed=4)
    words = []
    for index in range(6):
        inputs = dataset[index].inputs
        rows = [ids[mask] for ids, mask in zip(inputs.phrase_ids, inputs.phrase_mask, strict=True)]
        words.append([processor.tokenizer.decode(row.tolist(), skip_special_tokens=False) for row in rows])
    assert all(text.endswith(" object") for batch in words[:3] for text in batch)
    assert any(not text.endswith(" object") for batch in words[3:] for text in batch)


def test_family_shares_reach_the_stream(processor: InstructSAMProcessor) -> None:
    only = DataSettings(
        scenes_per_batch=2,
        instructions_per_scene=4,
        short_sides=(64,),
        families=("spatial", "logic"),
        family_shares={"logic": 0.0},
    )
    world = WorldBatches(processor, only, seed=4).world
    asked = {made.family for index in range(6) for made in world_sample(4, index, world).instructions}
    assert asked - {"category"} == {"spatial"}  # a scene that offers nothing is asked for an absent kind


def test_some_things_get_names_that_nobody_knows(processor: InstructSAMProcessor) -> None:
    settings = DataSettings(scenes_per_batch=8, short_sides=(64,), direct_fraction=0.0)
    plain = WorldBatches(processor, settings, seed=3)[2]
    named = WorldBatches(processor, settings.model_copy(update={"invented_words": 1.0}), seed=3)[2]
    emptied = [
        new == () != old for new, old in zip(named.phrase_instances, plain.phrase_instances, strict=True)
    ]
    assert 0.15 < sum(emptied) / len(emptied) < 0.6
    kept = [new == old for new, old in zip(named.phrase_instances, plain.phrase_instances, strict=True)]
    assert all(same or empty for same, empty in zip(kept, emptied, strict=True))
