"""The numbers that losses are means over, from batches on the host."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.batch import CellTargets, TrainingBatch
from instructsam.training.counts import StepCounts, shared_divisors
from instructsam.training.settings import DataSettings
from instructsam.training.stream import TrainingBatches
from instructsam.world.source import WorldSource, WorldSourceSettings
from tests.training.conftest import tiny_sizes


@pytest.fixture(scope="module")
def batch(processor: InstructSAMProcessor) -> TrainingBatch:
    source = WorldSource(WorldSourceSettings(short_sides=(64,)), 3, 3, 1)
    batch = TrainingBatches(source, processor, tiny_sizes(), DataSettings(images_per_batch=1), 3)[0]
    objects = torch.tensor([[0, 1], [0, 0], [1, 0], [0, 0]])
    ignore = torch.zeros(4, *tiny_sizes().mask_size, dtype=torch.bool)
    ignore[[1, 2], 0] = True
    targets = replace(batch.targets, objects=objects, counts=(2, 0, 1, 0), ignore=ignore)
    cells = CellTargets(torch.tensor([[0], [2], [1], [0], [0]]), torch.zeros(5, 4))
    return replace(batch, targets=targets, cells=cells)


def test_numbers_of_a_batch(batch: TrainingBatch) -> None:
    counts = StepCounts.of_batch(batch, None, 1, 1)
    assert (counts.phrases, counts.presences, counts.targets, counts.pairs) == (4, 3, 3, 2)
    assert (counts.all_phrases, counts.all_targets, counts.cells, counts.occupied_cells) == (4, 3, 5, 2)
    assert counts.tokens == len(batch.packed.text_labels)
    copied = StepCounts.of_batch(batch, None, 5, 3)
    assert (copied.pairs, copied.earlier_pairs) == (3, 4 + 3)


def test_numbers_of_the_detected_phrases(batch: TrainingBatch) -> None:
    counts = StepCounts.of_batch(batch, [1, 2], 5, 1)
    assert (counts.phrases, counts.presences, counts.targets) == (2, 1, 1)
    assert (counts.all_phrases, counts.all_targets) == (4, 3)


def test_divisors_are_means_of_at_least_one_in_all(batch: TrainingBatch) -> None:
    """One target in four batches counts as much as in one batch that holds it and no other."""
    many, none = StepCounts.of_batch(batch, [2], 5, 1), StepCounts.of_batch(batch, [1], 5, 1)
    divisors = shared_divisors([many, none], lambda *own: [number + 1 for number in own])
    assert divisors.batches == 3
    assert divisors.targets == (1 + 0 + 1) / 3
    alone = shared_divisors([none, none], lambda *own: list(own))
    assert (alone.batches, alone.targets, alone.phrases) == (2, 0.5, 1)
