"""Targets of the cells of both vision encoders: for each, the classes and the box of the object that covers it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from instructsam.data.sample import TrainingSample
from instructsam.structures.outputs import ModelInputs
from instructsam.training.batch import CellTargets, OutputSizes

COVER = 0.3  # a cell belongs to the object that covers most of it, at least this share


def batch_cells(
    samples: Sequence[TrainingSample], masks: Sequence[Tensor], inputs: ModelInputs, sizes: OutputSizes
) -> CellTargets | None:
    """Targets of both encoders for a batch; None where the classes or the mask of some image's object are unknown."""
    grids = (inputs.image_grid_thw[:, 1:] // sizes.merge_size).tolist()
    found = []
    for encoder in (grids, [sizes.cells] * len(samples)):
        for sample, stack, (rows, columns) in zip(samples, masks, encoder, strict=True):
            if sample.classes is None or sample.known:
                return None
            boxes, classes = torch.from_numpy(sample.boxes_cxcywh), torch.from_numpy(sample.classes)
            found.append(cell_targets(stack, boxes, classes, rows, columns))
    return CellTargets(
        torch.cat([cells.classes for cells in found]), torch.cat([cells.boxes for cells in found])
    )


def cell_targets(
    masks: Tensor, boxes_cxcywh: Tensor, classes: Tensor, rows: int, columns: int
) -> CellTargets:
    """Targets of a grid laid over one image.

    Args:
        masks: uint8 [N, H, W].
        boxes_cxcywh: float32 [N, 4].
        classes: int64 [N, A].
        rows, columns: of the grid.
    """
    if not len(masks):
        nothing = classes.new_zeros(rows * columns, classes.shape[1])
        return CellTargets(nothing, torch.zeros(rows * columns, 4))
    cover = F.adaptive_avg_pool2d(masks.float().unsqueeze(0), (rows, columns))[0].flatten(1)
    share, chosen = cover.max(dim=0)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    centres = torch.stack([(x + 0.5) / columns, (y + 0.5) / rows], dim=-1).flatten(0, 1)
    boxes = boxes_cxcywh[chosen]
    return CellTargets(
        torch.where((share >= COVER).unsqueeze(1), classes[chosen], 0),
        torch.cat([boxes[:, :2] - centres, boxes[:, 2:]], dim=1),
    )
