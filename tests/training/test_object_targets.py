"""Regions of samples become targets: each kind at mask size, merged ones, and ignored pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from instructsam.data.sample import TrainingSample, relative_boxes_cxcywh
from instructsam.losses.targets import BOX, MASK, POINT, TargetResize, resize_masks
from instructsam.training.batch import ObjectTargets, OutputSizes
from instructsam.training.cell_targets import batch_cells
from instructsam.training.object_targets import PhrasesOfSample, mask_tensor, object_targets

SIZE = (6, 8)


def sizes(resize: TargetResize = "area") -> OutputSizes:
    return OutputSizes(lambda *_: torch.zeros(0), 0, 2, SIZE, (2, 2), resize)


def sample(*known: Any, transposed: bool = False) -> TrainingSample:
    """Five objects of 24 x 32 pixels: two masks, a box, a point, and a region to ignore."""
    masks = np.zeros((5, 32, 24) if transposed else (5, 24, 32), bool)
    masks = masks.transpose(0, 2, 1) if transposed else masks
    masks[0, 2:9, 3:11] = True
    masks[1, 12:20, 4:20] = True
    masks[2, 10:13, 17:30] = True
    masks[3, 7, 30] = True
    masks[4, 20:23, 9:28] = True
    image = np.zeros((24, 32, 3), np.uint8)
    return TrainingSample("x", image, (), relative_boxes_cxcywh(masks), masks, known=known)


KNOWN = ("mask", "mask", "box", "point", "mask")


def targets_of(phrases: PhrasesOfSample, merge: bool = False, resize: TargetResize = "area") -> ObjectTargets:
    one = sample(*KNOWN)
    return object_targets([one], [mask_tensor(one)], [phrases], sizes(resize), merge)


@pytest.mark.parametrize("resize", ["area", "nearest"])
def test_each_kind_has_its_region(resize: TargetResize) -> None:
    found = targets_of(PhrasesOfSample([(3, 0), (), (2,)], [()] * 3), resize=resize).padded("cpu")
    masks = mask_tensor(sample())
    assert found.known is not None
    assert found.known.tolist() == [[POINT, MASK], [MASK, MASK], [BOX, MASK]]
    assert found.counts == (2, 0, 1)
    assert found.ignore is None
    assert torch.equal(found.masks[0, 1], resize_masks(masks[:1], SIZE, resize)[0])
    assert torch.equal(found.masks[2, 0], resize_masks(masks[2:3], SIZE, "area")[0])  # exact to the edge
    # the centre of its pixel is (30.5, 7.5) of 32 x 24
    weights = found.masks[0, 0]
    assert float(weights.sum()) == pytest.approx(1)
    y, x = torch.meshgrid(torch.arange(6) + 0.5, torch.arange(8) + 0.5, indexing="ij")
    assert float((weights * y).sum()) == pytest.approx(7.5 / 4)
    assert float((weights * x).sum()) == pytest.approx(7.5)  # as far right as the map has values
    assert torch.equal(found.boxes_cxcywh[2, 0], torch.from_numpy(sample().boxes_cxcywh[2]))


def test_masks_alone_stay_bytes_and_are_not_marked() -> None:
    found = targets_of(PhrasesOfSample([(1, 0)], [()]), resize="nearest")
    assert (found.known, found.ignore, found.masks.dtype) == (None, None, torch.uint8)
    assert found.masks.shape == (3, *SIZE)  # objects that no phrase names are not there
    both = targets_of(PhrasesOfSample([(1, 2)], [()]), resize="nearest")
    assert both.masks.dtype == torch.float32


@pytest.mark.parametrize(
    ("instances", "kind", "members"),
    [((0, 1), MASK, (0, 1)), ((0, 2), BOX, (0, 2)), ((2,), BOX, (2,)), ((0, 3, 2), POINT, (0, 3))],
)
def test_a_merged_target_is_known_like_its_least_known_object(
    instances: tuple[int, ...], kind: int, members: tuple[int, ...]
) -> None:
    found = targets_of(PhrasesOfSample([(), instances], [(), ()]), merge=True).padded("cpu")
    assert found.counts == (0, 1)
    assert (0 if found.known is None else int(found.known[1, 0])) == kind
    masks = mask_tensor(sample())
    union = masks[list(members)].amax(0, keepdim=True)
    if kind == POINT:  # the mean weight of all pixels that are inside for certain
        assert float(found.masks[1, 0].sum()) == pytest.approx(1)
        outside = resize_masks(union, (24, 32), "area")[0].view(6, 4, 8, 4).amax((1, 3)) == 0
        assert float(found.masks[1, 0][outside].sum()) < 0.25
    else:
        torch.testing.assert_close(found.masks[1, 0], resize_masks(union, SIZE, "area")[0])


def test_pixels_that_are_ignored_in_part_are_ignored() -> None:
    phrases = PhrasesOfSample([(0,), (), (1,)], [(), (4,), (4,)])
    found = targets_of(phrases).padded("cpu")
    assert found.ignore is not None
    assert found.ignore.dtype == torch.bool
    expected = torch.zeros(SIZE, dtype=torch.bool)
    expected[5, 2:7] = True
    assert [torch.equal(row, expected) for row in found.ignore] == [False, True, True]
    assert not found.ignore[0].any()
    chosen = found.select([2])
    assert chosen.ignore is not None
    assert torch.equal(chosen.ignore[0], expected)


def test_the_order_in_memory_does_not_matter() -> None:
    plain, transposed = mask_tensor(sample()), mask_tensor(sample(transposed=True))
    assert torch.equal(plain, transposed)
    assert transposed.stride() != plain.stride()
    flipped = sample()
    flipped = TrainingSample("y", flipped.image, (), flipped.boxes_cxcywh, flipped.masks[:, :, ::-1])
    assert torch.equal(mask_tensor(flipped), plain.flip(2))


def test_large_masks_are_resized_by_the_share_that_they_cover() -> None:
    masks = torch.zeros(4, 700, 811, dtype=torch.uint8)
    masks[0, 100:333, 47:60] = masks[1, 699, 810] = masks[2] = 1
    rows, columns = torch.arange(700)[:, None] - 400, torch.arange(811) - 300
    masks[2] = rows**2 + columns**2 < 40_000
    for size in ((64, 64), (288, 288), (1000, 900)):
        found = resize_masks(masks, size, "area")
        exact = torch.stack([coverage(mask, size) for mask in masks])
        torch.testing.assert_close(found, exact, rtol=0, atol=2e-4)  # edges are float32
    assert not resize_masks(masks, (64, 64), "area")[3].any()


def coverage(mask: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The share of each pixel of the result, from sums of whole pixels up to each edge."""
    sums = torch.zeros(mask.shape[0] + 1, mask.shape[1] + 1, dtype=torch.float64)
    sums[1:, 1:] = mask.double().cumsum(0).cumsum(1)
    edges = [torch.linspace(0, 1, count + 1, dtype=torch.float64) for count in size]
    grid = torch.stack(torch.meshgrid(edges[1], edges[0], indexing="xy"), dim=-1) * 2 - 1
    at = torch.nn.functional.grid_sample(sums[None, None], grid[None], align_corners=True)[0, 0]
    area = mask.shape[0] * mask.shape[1] / (size[0] * size[1])
    return ((at[1:, 1:] - at[:-1, 1:] - at[1:, :-1] + at[:-1, :-1]) / area).float()


def test_cells_need_every_mask() -> None:
    one = sample(*KNOWN)
    with_classes = TrainingSample(
        "x", one.image, (), one.boxes_cxcywh, one.masks, np.ones((5, 1), np.int64), known=one.known
    )
    inputs: Any = type("Inputs", (), {"image_grid_thw": torch.tensor([[1, 4, 4]])})()
    assert batch_cells([with_classes], [mask_tensor(one)], inputs, sizes()) is None
