"""The table of stages, the parts of the model, and the sum of the objectives."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from instructsam.losses.criterion import Criterion, CriterionConfig
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.batch import OutputSizes
from instructsam.training.objectives import ObjectiveContext
from instructsam.training.part_settings import PARTS
from instructsam.training.settings import DataSettings, LossSettings
from instructsam.training.stage_table import STAGES
from instructsam.training.stream import TrainingBatches
from instructsam.training.trainable import Trainable, build_objective
from instructsam.world.source import ATTRIBUTES, WorldSource, WorldSourceSettings
from tests.tiny import tiny_pair

CPU = torch.device("cpu")


def context(model: Any) -> ObjectiveContext:
    return ObjectiveContext(
        model, Criterion(CriterionConfig.default()), LossSettings(), tuple(ATTRIBUTES), "world"
    )


@pytest.mark.parametrize("name", sorted({name for stage in STAGES.values() for name in stage.objectives}))
def test_every_name_in_the_table_is_an_objective(name: str) -> None:
    model, _ = tiny_pair()
    objective = build_objective(name, context(model))
    assert set(objective.probes) <= set(PARTS)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_trains_its_parts_and_nothing_else(name: str) -> None:
    model, _ = tiny_pair()
    stage = STAGES[name]
    Trainable(context(model), stage, {}).freeze(stage.trained)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if name == "all":
        assert trained == {name for name, _ in model.named_parameters()}
    else:
        assert not any(name.startswith(("vlm.language_model.layers", "lm_head")) for name in trained)
        assert any("visual" in name for name in trained)
        assert ("instance_queries.weight" in trained) == (name == "phrases")


def batch(model: Any, processor: InstructSAMProcessor) -> Any:
    source = WorldSource(WorldSourceSettings(short_sides=(64,)), 3, 2, 1)
    return TrainingBatches(
        source, processor, OutputSizes.of(model, "nearest"), DataSettings(images_per_batch=1), 3
    )[0]


def test_each_weight_scales_its_objective_linearly() -> None:
    model, processor = tiny_pair()
    drawn = batch(model, processor)
    stage = STAGES["all"]

    def loss(**weights: float) -> float:
        torch.manual_seed(0)
        trainable = Trainable(context(model), stage, weights).eval()
        step = trainable.prepare(drawn, CPU, (0, 0, 0))
        total, parts = trainable(step)
        assert torch.equal(parts["loss"], total.detach())
        return float(total.detach())

    for name in stage.objectives:
        one = loss(**{name: 1.0})
        assert one > 0
        assert loss(**{name: 2.5}) == pytest.approx(2.5 * one, rel=1e-5)
    both = loss(segmentation=1.0, dense_classes=3.0)
    assert both == pytest.approx(loss(segmentation=1.0) + 3 * loss(dense_classes=1.0), rel=1e-5)
