"""The interface of a training objective, and the data that the objectives of a step share.

An objective is a module: its parameters are probes, such as a linear head, that are trained with the model, kept beside
the exported model for the next run (`probes`) and never exported. `stage_table` lists the objectives of each stage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from instructsam.data.sample import ObjectAttribute
from instructsam.losses.criterion import Criterion
from instructsam.losses.targets import PaddedTargets
from instructsam.model.detector.base import ExtraQueries
from instructsam.model.features import ImageFeatures
from instructsam.model.instructsam import InstructSAMModel
from instructsam.structures.outputs import SegmentationOutput
from instructsam.training.batch import TrainingBatch
from instructsam.training.counts import StepCounts
from instructsam.training.part_settings import Part
from instructsam.training.settings import LossSettings


@dataclass(frozen=True)
class ObjectiveContext:
    """Everything that an objective is built from.

    Attributes:
        model: that it trains.
        criterion: the segmentation loss.
        settings: of the losses.
        attributes: that the data source knows of every object; empty where it knows none.
        source_name: of the data source, for messages.
    """

    model: InstructSAMModel
    criterion: Criterion
    settings: LossSettings
    attributes: tuple[ObjectAttribute, ...]
    source_name: str


@dataclass(frozen=True)
class Outputs:
    """Outputs of the detector in one step.

    Attributes:
        segmentation: the model's output.
        labels: int64 [B, L] for its text logits; None where no language model runs.
        slot_boxes: float [Q, 4], cxcywh in [0, 1]: the first reference boxes of the detector's slots.
    """

    segmentation: SegmentationOutput
    labels: Tensor | None
    slot_boxes: Tensor


@dataclass(frozen=True)
class Step:
    """One forward pass: a batch with its targets, and then the model's outputs.

    Attributes:
        batch: of this process.
        device: of the model.
        position: from `updates.position_of`; random choices are functions of it.
        all_targets, targets: of all P phrases, and of those that the detector answers.
        detected: int64, the phrases that the detector answers; None for all.
        counts: numbers of this batch.
        divisors: of its losses: means over the batches of all processes in one update, which give the gradient of one
            big batch.
        images: both encodings of the images, once they are computed.
        outputs: of the detector, once they are computed.
    """

    batch: TrainingBatch
    device: torch.device
    position: tuple[int, int, int]
    all_targets: PaddedTargets
    targets: PaddedTargets
    counts: StepCounts
    divisors: StepCounts
    detected: Tensor | None = None
    images: ImageFeatures | None = None
    outputs: Outputs | None = None

    def image_features(self) -> ImageFeatures:
        """`images`, which every stage computes."""
        if self.images is None:
            raise RuntimeError("the images of this step are not encoded yet")
        return self.images

    def detections(self) -> Outputs:
        """`outputs`, of stages that run the detector."""
        if self.outputs is None:
            raise RuntimeError(
                "the detector has not run in this step: its stage must not list this objective"
            )
        return self.outputs


class ObjectiveLoss(NamedTuple):
    """Loss of one objective: the scalar to differentiate, and detached scalars for the log."""

    total: Tensor
    parts: dict[str, Tensor]


class Objective(nn.Module, ABC):
    """One loss of a training step; `forward` runs under autocast.

    Attributes:
        probes: the parts of the model whose features its probes take. Probes that are new on a trained part learn
            faster at first (`optim`).
    """

    probes: ClassVar[tuple[Part, ...]] = ()

    @abstractmethod
    def __init__(self, context: ObjectiveContext) -> None:
        super().__init__()

    def extra_queries(self, step: Step) -> ExtraQueries | None:
        """Queries that the detector answers besides its own, in the output's `extra`; one objective may give some."""
        return None

    @abstractmethod
    def forward(self, step: Step) -> ObjectiveLoss:
        """The loss of a step."""


def weighted(losses: dict[str, Tensor], weights: dict[str, float], prefix: str) -> ObjectiveLoss:
    """Loss terms times their weights, in the log as `PREFIX_NAME`."""
    terms = {f"{prefix}_{name}": weights[name] * loss for name, loss in losses.items()}
    return ObjectiveLoss(
        torch.stack(list(terms.values())).sum(), {name: loss.detach() for name, loss in terms.items()}
    )
