"""Dense classes: an auxiliary dense loss on the vision encoders while the whole model trains.

Published models start from pretrained encoders; here they start from random weights, and an instruction carries about
one bit per object. Where a data source knows the attributes of every object, a linear probe on each encoder predicts,
for every cell of its feature map, the attributes and the box of the object in that cell.

Shapes: N objects, A attributes, I images.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instructsam.data.sample import ObjectAttribute
from instructsam.errors import ConfigError
from instructsam.model.features import ImageFeatures
from instructsam.training.collate import ImageTruth
from instructsam.training.objectives import Objective, ObjectiveContext, ObjectiveLoss, Step, weighted

COVER = 0.3  # a cell belongs to the object that covers most of it, at least this share
BOX = "box"
BOX_WEIGHT = 2.0  # those of the attributes come with them


class DenseClasses(Objective):
    """A linear probe on the VLM's image tokens [., D] and one on the detector's coarsest level [., C]."""

    probes = "vision"

    def __init__(self, context: ObjectiveContext) -> None:
        super().__init__(context)
        if not context.attributes:
            raise ConfigError(
                "loss.objectives.dense_classes needs a data source that knows the attributes of every object, and "
                f"{context.source_name} does not: set loss.objectives.dense_classes=0"
            )
        self.attributes = context.attributes
        self.weights = {one.name: one.loss_weight for one in context.attributes} | {BOX: BOX_WEIGHT}
        model, config = context.model, context.model.config
        rules = model.vlm.pixel_rules(config.vlm_config, config.min_pixels, config.max_pixels)
        self.merge = rules.merge_size
        outputs = sum(one.values + 1 for one in context.attributes) + 4
        self.vlm = nn.Linear(config.hidden_size, outputs)
        self.detector = nn.Linear(config.detector_size, outputs)

    def forward(self, step: Step) -> ObjectiveLoss:
        """The loss of all images of a step."""
        cells, truths = self.predict(step.image_features()), step.batch.truths(step.device)
        return weighted(dense_losses(cells, truths, self.attributes), self.weights, "cell")

    def predict(self, images: ImageFeatures) -> list[list[Tensor]]:
        """Per encoder and image the predictions for every cell, float [rows, columns, outputs]."""
        grids = (images.grid_thw[:, 1:] // self.merge).tolist()
        tokens = [
            self.vlm(embeds).unflatten(0, (rows, columns))
            for embeds, (rows, columns) in zip(images.vlm.embeds, grids, strict=True)
        ]
        level = images.detector.levels[-1].permute(0, 2, 3, 1)
        return [tokens, list(self.detector(level))]


def dense_losses(
    encoders: Sequence[Sequence[Tensor]], truths: Sequence[ImageTruth], attributes: Sequence[ObjectAttribute]
) -> dict[str, Tensor]:
    """Mean losses over cells and encoders, unweighted.

    Returns:
        The cross-entropy of each attribute by its name; "box": L1 of the box of a cell's object, as an offset from the
        cell's centre and a size, over cells with an object.
    """
    logits, labels, boxes = [], [], []
    for encoder in encoders:
        for cells, truth in zip(encoder, truths, strict=True):
            label, box = cell_targets(truth, cells.shape[0], cells.shape[1])
            logits.append(cells.flatten(0, 1).float())
            labels.append(label)
            boxes.append(box)
    predicted, wanted, target = torch.cat(logits), torch.cat(labels), torch.cat(boxes)
    *classes, offsets = predicted.split([*(one.values + 1 for one in attributes), 4], dim=1)
    losses = {
        attribute.name: F.cross_entropy(part, wanted[:, column])
        for column, (attribute, part) in enumerate(zip(attributes, classes, strict=True))
    }
    occupied = (wanted[:, 0] > 0).float()
    distance = (offsets - target).abs().sum(1)
    return {**losses, BOX: (distance * occupied).sum() / occupied.sum().clamp(min=1)}


def cell_targets(truth: ImageTruth, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Classes int64 [cells, A] (0: no object) and boxes float [cells, 4] of a grid laid over the image."""
    device = truth.masks.device
    if not len(truth.masks):
        classes = truth.classes.new_zeros(rows * columns, truth.classes.shape[1])
        return classes, torch.zeros(rows * columns, 4, device=device)
    cover = F.adaptive_avg_pool2d(truth.masks.float().unsqueeze(0), (rows, columns))[0].flatten(1)
    share, chosen = cover.max(dim=0)
    classes = torch.where((share >= COVER).unsqueeze(1), truth.classes[chosen], 0)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    centres = torch.stack([(x + 0.5) / columns, (y + 0.5) / rows], dim=-1).flatten(0, 1).to(device)
    boxes = truth.boxes_cxcywh[chosen]
    return classes, torch.cat([boxes[:, :2] - centres, boxes[:, 2:]], dim=1)
