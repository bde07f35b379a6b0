"""Batches are a pure function of their number, and hold what the source's samples say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from instructsam.data.record import ImageRef, PhraseRecord, Record, write_records
from instructsam.data.sample import SampleInstruction, SamplePhrase, relative_boxes_cxcywh
from instructsam.errors import InputError
from instructsam.experiments.sources import open_source
from instructsam.losses.targets import resize_masks
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.batch import TrainingBatch
from instructsam.training.collate import phrases_and_instances
from instructsam.training.data_settings import DataSettings
from instructsam.training.stream import TrainingBatches, batches
from instructsam.world.splits.stream import WorldSettings, world_sample
from tests.training.conftest import tiny_sizes

SETTINGS = DataSettings(images_per_batch=3, instructions_per_image=4, world={"short_sides": (64, 80)})


def stream(
    processor: InstructSAMProcessor, settings: DataSettings, seed: int, rank: int = 0, processes: int = 1
) -> TrainingBatches:
    source = open_source(settings, seed, settings.images_per_batch * processes)
    return TrainingBatches(source, processor, tiny_sizes(), settings, seed, rank, processes)


def small(images: int, instructions: int, direct_fraction: float = 0.3, **world: Any) -> DataSettings:
    """Scenes of 64 px."""
    options = {"short_sides": (64,), **world}
    return DataSettings(
        images_per_batch=images,
        instructions_per_image=instructions,
        direct_fraction=direct_fraction,
        world=options,
    )


def assert_same(one: TrainingBatch, other: TrainingBatch) -> None:
    assert one.index == other.index
    for field in fields(one.inputs):
        assert torch.equal(getattr(one.inputs, field.name), getattr(other.inputs, field.name)), field.name
    for name in ("masks", "boxes_cxcywh", "objects"):
        assert torch.equal(getattr(one.targets, name), getattr(other.targets, name)), name
    assert one.targets.counts == other.targets.counts
    assert torch.equal(one.packed.positions, other.packed.positions)
    assert torch.equal(one.packed.text_labels, other.packed.text_labels)
    assert one.cells is not None
    assert other.cells is not None
    assert torch.equal(one.cells.classes, other.cells.classes)
    assert torch.equal(one.cells.boxes, other.cells.boxes)


def test_a_batch_depends_on_its_number_alone(processor: InstructSAMProcessor) -> None:
    here = list(batches(stream(processor, SETTINGS, seed=3), 0, 4))
    later = list(batches(stream(processor, SETTINGS, seed=3), 2, 4))
    assert [batch.index for batch in later] == [6, 9]
    for one, other in zip(here[2:], later, strict=True):
        assert_same(one, other)
    another_seed = stream(processor, SETTINGS, seed=4)[0]
    assert not torch.equal(here[0].inputs.detector_pixel_values, another_seed.inputs.detector_pixel_values)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_bring_the_same_batches_in_order(processor: InstructSAMProcessor) -> None:
    plain = list(batches(stream(processor, SETTINGS, seed=3), 5, 9))
    worked = list(batches(stream(processor, SETTINGS.model_copy(update={"workers": 2}), seed=3), 5, 9))
    for one, other in zip(plain, worked, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("wrong", ["image", "instruction"])
def test_a_sample_that_cannot_be_used_is_named_in_one_line(
    processor: InstructSAMProcessor, tmp_path: Path, workers: int, wrong: str
) -> None:
    lines = []
    for name in "abc":
        Image.fromarray(np.full((32, 32, 3), 99, np.uint8)).save(tmp_path / f"{name}.png")
        text = "please " * 3000 if (name, wrong) == ("b", "instruction") else "the cat"
        image = ImageRef(f"{name}.png", 32, 32)
        lines.append(Record(name, image, text, (PhraseRecord("cat", ()),)))
    write_records(tmp_path / "records.jsonl", lines)
    if wrong == "image":
        (tmp_path / "b.png").write_bytes(b"no image")
    settings = DataSettings(source=str(tmp_path), images_per_batch=3, workers=workers)
    with pytest.raises(InputError) as caught:
        list(batches(stream(processor, settings, seed=0), 0, 2))
    start = f"{tmp_path / 'b.png'}: " if wrong == "image" else f"{tmp_path}, record 'b': the instruction has"
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_reading_batches_leaves_the_random_state_alone(processor: InstructSAMProcessor) -> None:
    state = torch.get_rng_state()
    next(batches(stream(processor, SETTINGS, seed=3), 0, 1))
    assert torch.equal(state, torch.get_rng_state())


def test_processes_share_the_images_out(processor: InstructSAMProcessor) -> None:
    whole = stream(processor, small(6, 2), seed=1)[0]
    parts = [stream(processor, small(3, 2), 1, rank, 2)[0] for rank in range(2)]
    pixels = torch.cat([part.inputs.detector_pixel_values for part in parts])
    assert torch.equal(whole.inputs.detector_pixel_values, pixels)


def test_targets_are_the_worlds_answers(processor: InstructSAMProcessor) -> None:
    batch = stream(processor, small(6, 6, direct_fraction=0.0), seed=11)[2]
    world = WorldSettings(short_sides=(64,), instructions_per_scene=6)
    expected = []
    for position in range(12, 18):
        scene = world_sample(11, position, world)
        for instruction in scene.instructions:
            for phrase in instruction.phrases:
                expected.append(scene.rendered.masks[list(phrase.instances)])
    targets = batch.targets.padded("cpu")
    assert len(targets.counts) == len(expected) == len(batch.inputs.phrase_ids)
    assert targets.counts == tuple(len(masks) for masks in expected)
    for padded, boxes, masks in zip(targets.masks, targets.boxes_cxcywh, expected, strict=True):
        resized = resize_masks(torch.from_numpy(masks), tiny_sizes().mask_size, "nearest")
        assert torch.equal(padded[: len(masks)], resized)
        assert np.allclose(boxes[: len(masks)].numpy(), relative_boxes_cxcywh(masks))
        assert not padded[len(masks) :].any()
        assert not boxes[len(masks) :].any()
    assert {0, 1} < {len(masks) for masks in expected}


@pytest.mark.parametrize("direct_fraction", [0.0, 0.5, 1.0])
def test_written_samples_supervise_text_and_direct_ones_do_not(
    processor: InstructSAMProcessor, direct_fraction: float
) -> None:
    batch = stream(processor, small(4, 6, direct_fraction), seed=5)[0]
    labels = batch.inputs.labels
    assert labels is not None
    assert [not bool(row) for row in (labels != -100).any(dim=1)] == list(batch.direct)
    assert abs(np.mean(batch.direct) - direct_fraction) < 0.35
    owners = batch.inputs.phrase_sample.tolist()
    assert all(owners.count(number) == 1 for number, direct in enumerate(batch.direct) if direct)


def test_captions_are_not_counted_as_instructions(processor: InstructSAMProcessor) -> None:
    plain, described = (
        stream(processor, small(2, 3, captions=captions), seed=5)[0] for captions in (False, True)
    )
    assert described.direct == plain.direct
    assert len(described.inputs.input_ids) == len(plain.inputs.input_ids) + 2


def test_a_direct_sample_pools_the_instances_of_all_phrases() -> None:
    instruction = SampleInstruction(
        "the cups and what stands left of the bus",
        (SamplePhrase("mug", (3, 1)), SamplePhrase("apple", ()), SamplePhrase("key", (1, 4))),
    )
    assert phrases_and_instances(instruction, direct=True) == ((instruction.text,), ((1, 3, 4),))
    assert phrases_and_instances(instruction, direct=False) == (("mug", "apple", "key"), ((3, 1), (), (1, 4)))


def test_nouns_rise_with_the_batches(processor: InstructSAMProcessor) -> None:
    settings = small(2, 4, direct_fraction=0.0, nouns={"kinds": 3, "colors": 0})
    dataset = stream(processor, settings, seed=4)
    words = []
    for index in range(6):
        inputs = dataset[index].inputs
        rows = [ids[mask] for ids, mask in zip(inputs.phrase_ids, inputs.phrase_mask, strict=True)]
        words.append([processor.tokenizer.decode(row.tolist(), skip_special_tokens=False) for row in rows])
    assert all(text.endswith(" object") for batch in words[:3] for text in batch)
    assert any(not text.endswith(" object") for batch in words[3:] for text in batch)


def test_some_objects_get_invented_names(processor: InstructSAMProcessor) -> None:
    plain, named = (
        stream(processor, small(8, 8, direct_fraction=0.0, invented_words=share), seed=3)[2]
        for share in (0.0, 1.0)
    )
    counts = list(zip(named.targets.counts, plain.targets.counts, strict=True))
    emptied = [new == 0 != old for new, old in counts]
    assert 0.15 < sum(emptied) / len(emptied) < 0.6
    kept = [new == old for new, old in counts]
    assert all(same or empty for same, empty in zip(kept, emptied, strict=True))
