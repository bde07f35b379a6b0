"""Point sampling, target resizing and the losses of single masks and boxes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from instructsam.errors import InputError
from instructsam.losses.mask_losses import box_l1, generalized_iou, mask_bce, mask_dice, soft_dice
from instructsam.losses.points import sample_at, uncertain_points
from instructsam.losses.targets import pad_targets, resize_masks
from instructsam.structures.outputs import PhraseTarget
from tests.losses.builders import SIZE, instances, nothing

CPU = torch.device("cpu")


def test_sampling_at_pixel_centres_gives_the_pixels() -> None:
    maps = torch.randn(2, 4, 8)
    rows, columns = torch.meshgrid(torch.arange(4), torch.arange(8), indexing="ij")
    centres = torch.stack([(columns + 0.5) / 8, (rows + 0.5) / 4], dim=-1).reshape(1, 32, 2)
    torch.testing.assert_close(sample_at(maps, centres.expand(2, -1, -1)), maps.flatten(1))


def test_points_prefer_the_undecided_edge() -> None:
    logits = torch.linspace(8, -8, 16).expand(1, 16, 16)
    torch.manual_seed(0)
    points = uncertain_points(logits, 400)
    near_edge = ((points[0, :, 0] - 0.5).abs() < 1 / 8).float()
    assert points.shape == (1, 400, 2)
    assert near_edge[:300].mean() > 0.85
    assert 0.1 < near_edge[300:].mean() < 0.4


def test_uniform_points_estimate_the_dense_losses() -> None:
    torch.manual_seed(0)
    coarse, edges = torch.randn(3, 1, 5, 5), torch.zeros(3, 40, 40)
    edges[:, 10:30, 5:25] = 1
    logits = F.interpolate(3 * coarse, (40, 40), mode="bicubic")[:, 0]
    points = uncertain_points(logits, 60_000, importance=0.0)
    values, labels = sample_at(logits, points), sample_at(edges, points)
    for loss in (mask_bce, mask_dice):
        dense = loss(logits.flatten(1), edges.flatten(1))
        torch.testing.assert_close(loss(values, labels), dense, rtol=0.04, atol=0.0)


def test_no_mask_gives_no_points_and_keeps_the_graph() -> None:
    logits = torch.zeros(0, 8, 8, requires_grad=True)
    points = uncertain_points(logits, 10)
    sampled = sample_at(logits, points)
    assert points.shape == (0, 10, 2)
    assert sampled.shape == (0, 10)
    sampled.sum().backward()


def test_dice_by_hand() -> None:
    logits = torch.tensor([[100.0, 100.0, -100.0, -100.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    assert float(soft_dice(logits, targets)) == pytest.approx(2 / 3, rel=1e-5)
    assert float(mask_dice(logits, targets, eps=1.0)) == pytest.approx(1 - 3 / 4)
    assert float(mask_dice(logits, torch.zeros(1, 4), eps=1.0)) == pytest.approx(1 - 1 / 3)


def test_losses_are_float32_and_finite_for_half_precision_extremes() -> None:
    logits = torch.tensor([[60000.0, -60000.0]], dtype=torch.float16)
    targets = torch.tensor([[0.0, 1.0]], dtype=torch.float16)
    for loss in (mask_bce(logits, targets), mask_dice(logits, targets), soft_dice(logits, targets)):
        assert loss.dtype == torch.float32
        assert loss.isfinite().all()


def test_boxes_by_hand() -> None:
    a, b = torch.tensor([[0.25, 0.5, 0.5, 1.0]]), torch.tensor([[0.75, 0.5, 0.5, 1.0]])
    assert float(box_l1(a, b)) == pytest.approx(0.5)
    assert float(generalized_iou(a, a)) == pytest.approx(1.0, abs=1e-5)
    assert float(generalized_iou(a, b)) == pytest.approx(0.0, abs=1e-5)
    far = torch.tensor([[0.9, 0.5, 0.2, 1.0]])  # a covers [0, .5], far [.8, 1]: hull 1, union .7
    assert float(generalized_iou(a, far)) == pytest.approx(-0.3, abs=1e-5)
    empty = torch.zeros(1, 4, requires_grad=True)
    generalized_iou(empty, torch.zeros(1, 4)).sum().backward()
    assert empty.grad is not None
    assert empty.grad.isfinite().all()


@pytest.mark.parametrize(
    ("source", "target"), [((40, 60), (10, 15)), ((45, 71), (12, 16)), ((6, 5), (12, 16))]
)
def test_area_resize_keeps_the_covered_share(source: tuple[int, int], target: tuple[int, int]) -> None:
    masks = (torch.rand(3, *source) > 0.6).to(torch.uint8)
    resized = resize_masks(masks, target, "area")
    assert resized.shape == (3, *target)
    assert resized.min() >= 0
    assert resized.max() <= 1 + 1e-5
    torch.testing.assert_close(resized.mean((1, 2)), masks.float().mean((1, 2)))


def test_area_resize_equals_pooling_where_pooling_is_exact() -> None:
    masks = torch.rand(70, 24, 32) > 0.5  # more than are converted at once
    torch.testing.assert_close(resize_masks(masks, SIZE, "area"), F.avg_pool2d(masks.float(), 2))


def test_padding_keeps_each_phrase_apart_even_in_different_sizes() -> None:
    targets = [instances(2), nothing(), instances(3, size=(60, 50)), instances(1, seed=5)]
    padded = pad_targets(targets, SIZE, CPU, "area")
    assert padded.counts == (2, 0, 3, 1)
    assert padded.masks.shape == (4, 3, *SIZE)
    for index, target in enumerate(targets):
        count = padded.counts[index]
        expected = resize_masks(target.masks, SIZE, "area") if count else torch.zeros(0, *SIZE)
        torch.testing.assert_close(padded.masks[index, :count], expected)
        assert torch.equal(padded.boxes_cxcywh[index, :count], target.boxes_cxcywh)
        assert not padded.masks[index, count:].any()
        union = resize_masks((target.masks != 0).any(0, keepdim=True), SIZE, "area")[0]
        torch.testing.assert_close(padded.regions()[index], union)


def test_a_target_that_does_not_fit_itself_is_refused() -> None:
    wrong = PhraseTarget(torch.zeros(2, 8, 8), torch.zeros(3, 4))
    with pytest.raises(InputError, match=r"phrase 1 .*\(2, 8, 8\) and \(3, 4\)"):
        pad_targets([instances(1), wrong], SIZE, CPU)
