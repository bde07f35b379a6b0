"""Dense classes: an auxiliary dense loss on the vision encoders while the whole model trains.

Published models start from pretrained encoders; here they start from random weights, and an instruction carries about
one bit per object. Where a data source knows the attributes of every object, a linear probe on each encoder predicts,
for every cell of its feature map, the attributes and the box of the object in that cell.

Shapes: A attributes, I images.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instructsam.data.sample import ObjectAttribute
from instructsam.errors import ConfigError, InputError
from instructsam.model.features import ImageFeatures
from instructsam.training.batch import CellTargets
from instructsam.training.objectives import Objective, ObjectiveContext, ObjectiveLoss, Step, weighted

BOX = "box"
BOX_WEIGHT = 2.0  # those of the attributes come with them


class DenseClasses(Objective):
    """A linear probe on the VLM's image tokens [., D] and one on the detector's coarsest level [., C]."""

    probes = ("vlm_vision", "detector_vision")

    def __init__(self, context: ObjectiveContext) -> None:
        super().__init__(context)
        if not context.attributes:
            raise ConfigError(
                "loss.objectives.dense_classes needs a data source that knows the attributes of every object, and "
                f"{context.source_name} does not: set loss.objectives.dense_classes=0, or in stage vision, which has "
                "no other objective, train another stage"
            )
        self.attributes = context.attributes
        self.weights = {attribute.name: attribute.loss_weight for attribute in context.attributes} | {
            BOX: BOX_WEIGHT
        }
        config = context.model.config
        outputs = sum(attribute.values + 1 for attribute in context.attributes) + 4
        self.vlm = nn.Linear(config.hidden_size, outputs)
        self.detector = nn.Linear(config.detector_size, outputs)

    def forward(self, step: Step) -> ObjectiveLoss:
        """The loss of all images of a step.

        Raises:
            InputError: the classes of an image's objects are unknown.
        """
        targets = step.batch.cells
        if targets is None:
            raise InputError(
                f"sample {step.batch.index}: the classes of an image's objects are unknown: set "
                "loss.objectives.dense_classes=0"
            )
        cells = self.predict(step.image_features())
        numbers = (step.divisors.cells, step.divisors.occupied_cells)
        losses = dense_losses(cells, targets.to(step.device), self.attributes, *numbers)
        return weighted(losses, self.weights, "cell")

    def predict(self, images: ImageFeatures) -> Tensor:
        """Predictions for every cell in the order of `CellTargets`, float [cells, outputs]."""
        level = images.detector.levels[-1].permute(0, 2, 3, 1)
        return torch.cat([self.vlm(torch.cat(images.vlm.embeds)), self.detector(level).flatten(0, 2)])


def dense_losses(
    predicted: Tensor,
    targets: CellTargets,
    attributes: Sequence[ObjectAttribute],
    num_cells: float,
    num_occupied: float,
) -> dict[str, Tensor]:
    """Sums of losses over cells of both encoders, divided by their number, unweighted.

    Args:
        predicted: float [cells, outputs].
        targets: of the cells.
        attributes: of the objects.
        num_cells, num_occupied: of all cells and of those with an object, above 0.

    Returns:
        The cross-entropy of each attribute by its name; "box": L1 of the box of a cell's object, as an offset from the
        cell's centre and a size, over cells with an object.
    """
    *classes, offsets = predicted.float().split(
        [*(attribute.values + 1 for attribute in attributes), 4], dim=1
    )
    losses = {
        attribute.name: F.cross_entropy(part, targets.classes[:, column], reduction="sum") / num_cells
        for column, (attribute, part) in enumerate(zip(attributes, classes, strict=True))
    }
    occupied = (targets.classes[:, 0] > 0).float()
    distance = (offsets - targets.boxes).abs().sum(1)
    return {**losses, BOX: (distance * occupied).sum() / num_occupied}
