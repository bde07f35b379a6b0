"""A teacher for the eyes: what each cell of a vision tower shows, while the whole model trains.

Published models start from pretrained towers; ours start from nothing, and an instruction tells them one bit per
object. Where a source knows the attributes of every object, each tower also names those and the box of what its cells
show, through one linear layer that is thrown away after training.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from instructsam.data.sample import ObjectAttribute
from instructsam.errors import CheckpointError

if TYPE_CHECKING:
    from instructsam.model.features import ImageFeatures

READERS_FILE = "readers.safetensors"
COVER = 0.3  # a cell shows an object that covers at least this share of it
BOX_WEIGHT = 2.0


@dataclass(frozen=True)
class ImageTruth:
    """The objects of one image.

    Attributes:
        masks: uint8 [N, H, W], visible pixels.
        boxes_cxcywh: float [N, 4] in [0, 1].
        classes: int64 [N, A], value of each attribute of each object, counted from 1.
    """

    masks: Tensor
    boxes_cxcywh: Tensor
    classes: Tensor


class Perception(nn.Module):
    """One linear reader per tower, on the VLM's image tokens [., D] and the detector's coarse level [., C]."""

    def __init__(self, vlm_width: int, detector_width: int, attributes: Sequence[ObjectAttribute]) -> None:
        super().__init__()
        outputs = sum(attribute.values + 1 for attribute in attributes) + 4
        self.vlm = nn.Linear(vlm_width, outputs)
        self.detector = nn.Linear(detector_width, outputs)

    def forward(self, images: ImageFeatures, merge: int) -> list[list[Tensor]]:
        """Per tower and image what each cell shows, float [rows, columns, outputs]."""
        grids = (images.grid_thw[:, 1:] // merge).tolist()
        tokens = [
            self.vlm(embeds).unflatten(0, (rows, columns))
            for embeds, (rows, columns) in zip(images.embeds, grids, strict=True)
        ]
        level = images.detector.levels[-1].permute(0, 2, 3, 1)
        return [tokens, list(self.detector(level))]


def save_readers(readers: Perception, run_folder: Path) -> None:
    """Keep the readers beside a run's exported model, never inside it."""
    fresh = run_folder / f".writing-{READERS_FILE}"
    save_file(readers.state_dict(), fresh)
    with fresh.open("r+b") as file:
        os.fsync(file.fileno())
    os.replace(fresh, run_folder / READERS_FILE)


def load_readers(readers: Perception, model_folder: Path) -> bool:
    """Go on with the readers of the run that made `model_folder`; False where it kept none.

    Fresh readers on trained towers start with large losses, whose gradients undo what the towers had learned.

    Raises:
        CheckpointError: the file is damaged or belongs to towers of another width.
    """
    path = model_folder.parent / READERS_FILE
    if not path.is_file():
        return False
    try:
        readers.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit this model or is damaged; remove it to start afresh"
        ) from error
    return True


def perception_loss(
    towers: list[list[Tensor]], truths: list[ImageTruth], attributes: Sequence[ObjectAttribute]
) -> dict[str, Tensor]:
    """Mean losses over cells and towers.

    Returns:
        "see_NAME" of each attribute: cross-entropy times its weight;
        "see_box": L1 of the box around what a cell shows, as an offset from the cell's centre and a size, over
        cells that show something, times `BOX_WEIGHT`.
    """
    logits, labels, boxes = [], [], []
    for tower in towers:
        for cells, truth in zip(tower, truths, strict=True):
            label, box = cell_truth(truth, cells.shape[0], cells.shape[1])
            logits.append(cells.flatten(0, 1).float())
            labels.append(label)
            boxes.append(box)
    every, wanted, target = torch.cat(logits), torch.cat(labels), torch.cat(boxes)
    parts = every.split([*(attribute.values + 1 for attribute in attributes), 4], dim=1)
    losses = {
        f"see_{attribute.name}": attribute.loss_weight * F.cross_entropy(part, wanted[:, column])
        for column, (attribute, part) in enumerate(zip(attributes, parts, strict=False))
    }
    shown = (wanted[:, 0] > 0).float()
    distance = (parts[-1] - target).abs().sum(1)
    return {**losses, "see_box": BOX_WEIGHT * (distance * shown).sum() / shown.sum().clamp(min=1)}


def cell_truth(truth: ImageTruth, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Classes int64 [cells, A] (0: nothing) and boxes float [cells, 4] of a grid laid over the image."""
    device = truth.masks.device
    if not len(truth.masks):
        classes = truth.classes.new_zeros(rows * columns, truth.classes.shape[1])
        return classes, torch.zeros(rows * columns, 4, device=device)
    cover = F.adaptive_avg_pool2d(truth.masks.float().unsqueeze(0), (rows, columns))[0].flatten(1)
    share, which = cover.max(dim=0)
    classes = torch.where((share >= COVER).unsqueeze(1), truth.classes[which], 0)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    centres = torch.stack([(x + 0.5) / columns, (y + 0.5) / rows], dim=-1).flatten(0, 1).to(device)
    boxes = truth.boxes_cxcywh[which]
    return classes, torch.cat([boxes[:, :2] - centres, boxes[:, 2:]], dim=1)
