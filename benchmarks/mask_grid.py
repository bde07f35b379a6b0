"""Upper bound on the IoU of masks that a model predicts on a coarse grid.

    python benchmarks/mask_grid.py
    python benchmarks/mask_grid.py --grid 288 --short-side 1008

True masks of drawn scenes are reduced to the grid (the share of each cell that they cover, as logits) and resized to
the image as every answer is: bilinear on logits, threshold 0. The IoU with the true mask is that of a model without
errors.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
import torch.nn.functional as F

from instructsam.losses.targets import resize_masks
from instructsam.world.splits.stream import WorldSettings, world_sample

EDGE = 1e-3  # largest confidence of a cell


def ious(masks: torch.Tensor, grid: int) -> list[float]:
    """IoU of each mask, uint8 [N, H, W], after a grid of `grid` cells a side."""
    covered = resize_masks(masks, (grid, grid), "area").clamp(EDGE, 1 - EDGE)
    size = (masks.shape[1], masks.shape[2])
    back = F.interpolate(covered.logit()[:, None], size, mode="bilinear", align_corners=False)[:, 0] > 0
    true = masks.bool()
    overlap, union = (back & true).sum((1, 2)), (back | true).sum((1, 2))
    return (overlap / union).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--grid", type=int, nargs="+", default=[32, 64, 128], help="cells a side")
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--short-side", type=int, default=256, help="px, as in world/val")
    arguments = parser.parse_args()
    settings = WorldSettings(short_sides=(arguments.short_side,), split="val")
    found: dict[int, list[float]] = {grid: [] for grid in arguments.grid}
    for index in range(arguments.scenes):
        masks = torch.from_numpy(world_sample(0, index, settings).rendered.masks.astype(np.uint8))
        for grid in arguments.grid:
            found[grid] += ious(masks, grid)
    print(f"{arguments.scenes} scenes of {arguments.short_side} px, IoU of a mask without errors")
    print("grid   masks   mean   worst tenth below   over .9")
    for grid, values in found.items():
        array = np.array(values)
        tenth, over = np.percentile(array, 10), (array > 0.9).mean()
        print(f"{grid:4d} {len(values):7d}  {array.mean():.3f}               {tenth:.3f}     {over:.2f}")


if __name__ == "__main__":
    main()
