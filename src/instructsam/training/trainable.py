"""The module that a training step runs: the model, and the objectives of the stage that give the loss."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from importlib import import_module
from typing import cast

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from instructsam.errors import ConfigError
from instructsam.training.auxiliary.query_readout import detected_phrases
from instructsam.training.batch import TrainingBatch
from instructsam.training.counts import StepCounts
from instructsam.training.image_encoders import ImageEncoders
from instructsam.training.lora import is_adapter_parameter
from instructsam.training.objectives import Objective, ObjectiveContext, Outputs, Step
from instructsam.training.part_settings import Part
from instructsam.training.parts import parts_by_name
from instructsam.training.sharding import reach_all
from instructsam.training.stage_table import Stage


def build_objective(name: str, context: ObjectiveContext) -> Objective:
    """The objective of a name: `query_readout` is the class `QueryReadout` of `training.auxiliary.query_readout`."""
    place = "" if name == "segmentation" else "auxiliary."
    module = import_module(f"instructsam.training.{place}{name}")
    objective = getattr(module, "".join(word.title() for word in name.split("_")))
    return cast(Objective, objective(context))


class Trainable(nn.Module):
    """`model` is exported; the parameters of `objectives` are not.

    Attributes:
        encode_images: runs the vision encoders.
        reaches_all: every trained parameter gets a gradient, if only of zeros, as shards need it.

    Args:
        context: the model and everything that objectives are built from.
        stage: of the run.
        weights: objectives that are on, with their weights.
        autocast: run under bfloat16 autocast.
    """

    def __init__(
        self, context: ObjectiveContext, stage: Stage, weights: Mapping[str, float], autocast: bool = False
    ) -> None:
        super().__init__()
        self.model = context.model
        self.objectives = nn.ModuleDict({name: build_objective(name, context) for name in weights})
        self.weights = dict(weights)
        self.criterion = context.criterion
        self.detected_fraction = context.settings.detected_fraction
        self.stage = stage
        self.autocast = autocast
        self.reaches_all = False
        self.encode_images = ImageEncoders(self.model)

    def freeze(self, trained: Collection[Part]) -> None:
        """Exclude all parts but these: no gradients to exchange, no optimizer state, nothing to decay.

        Raises:
            ConfigError: a stage without language model, of a model whose queries only the language model tells apart.
        """
        form = self.model.config.variant("instance_form")
        if form.counts and self.stage.forward != "model":
            raise ConfigError(
                f"a stage that leaves the language model out cannot train {form.value}, which needs it to count: train "
                "it with stage all"
            )
        parts = parts_by_name(self.model)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(is_adapter_parameter(name) or parts[name] in trained)
        _evaluate_frozen(self.model)
        self.encode_images = ImageEncoders(self.model)

    def train(self, mode: bool = True) -> Trainable:
        """Training mode, but for frozen parts."""
        super().train(mode)
        if mode:
            _evaluate_frozen(self.model)
        return self

    def prepare(self, batch: TrainingBatch, device: torch.device, position: tuple[int, int, int]) -> Step:
        """A step before its forward pass: the targets, and the phrases that the detector answers."""
        detected = None
        if self.stage.forward == "model":
            detected = detected_phrases(len(batch.targets.counts), self.detected_fraction, position)
        every = batch.targets.padded(device)
        chosen = None if detected is None else detected.tolist()
        copies = self.criterion.config.auxiliary_copies
        counts = StepCounts.of_batch(batch, chosen, self.model.config.num_queries, copies)
        numbers = (counts, counts.divisors())
        if detected is None:
            return Step(batch, device, position, every, every, *numbers)
        targets = every.select(detected.tolist())
        return Step(batch, device, position, every, targets, *numbers, detected.to(device, non_blocking=True))

    def forward(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a step, and its parts for the log: "loss", then those of every objective."""
        with torch.autocast(step.device.type, torch.bfloat16, enabled=self.autocast):
            step = self._run(step)
            losses = {name: objective(step) for name, objective in self.objectives.items()}
        total = torch.stack([self.weights[name] * loss.total for name, loss in losses.items()]).sum()
        if self.reaches_all:
            total = total + reach_all(self)
        parts = {"loss": total.detach()}
        for loss in losses.values():
            parts |= loss.parts
        return total, parts

    def _run(self, step: Step) -> Step:
        """Run the parts of the model that the stage runs."""
        model = self.model
        batch = step.batch.inputs.to(step.device)
        images = self.encode_images(batch, step.batch.inputs)
        inputs = batch.as_kwargs()
        for name in ("pixel_values", "image_grid_thw", "detector_pixel_values"):
            inputs.pop(name)
        step = replace(step, images=images)
        if self.stage.forward == "vision":
            return step
        given = [cast(Objective, objective).extra_queries(step) for objective in self.objectives.values()]
        extra = next((queries for queries in given if queries is not None), None)
        labels = None
        auxiliary = self.criterion.config.auxiliary_weight > 0
        if self.stage.forward == "detector":
            states = model.query_bank().expand(len(inputs["phrase_ids"]), -1, -1)
            features = images.detector.select(inputs["image_index"][inputs["phrase_sample"]])
            phrases = (inputs["phrase_ids"], inputs["phrase_mask"])
            output = model.detect(states, *phrases, features, auxiliary, extra)
        else:
            chosen = {} if step.detected is None else {"detected": step.detected}
            packed = step.batch.packed.to(step.device)
            output = model(
                **inputs,
                **chosen,
                images=images,
                auxiliary=auxiliary,
                text_logits=True,
                extra=extra,
                packed=packed,
            )
            labels = packed.text_labels
        return replace(step, outputs=Outputs(output, labels, model.detector.slot_boxes()))


def _evaluate_frozen(module: nn.Module) -> None:
    """Put modules without trained parameters into eval mode: no dropout in them.

    The mode of a transformer block itself only decides whether gradient checkpointing applies to it.
    """
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
        for block in module.modules():
            if isinstance(block, GradientCheckpointingLayer):
                block.training = True
        return
    for child in module.children():
        _evaluate_frozen(child)
