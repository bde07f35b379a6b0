"""Targets that are known by a box or a point, and ignored pixels: what trains, and what changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from instructsam.losses.criterion import Criterion, CriterionConfig
from instructsam.losses.matcher import HungarianMatcher
from instructsam.losses.targets import BOX, MASK, POINT, PaddedTargets, point_weights
from instructsam.losses.weak_losses import box_projection, box_quality, point_bce, point_quality
from instructsam.structures.outputs import DetectionOutput, SegmentationOutput
from tests.losses.builders import SIZE, gradients, instances, known_as, nothing, segmentation
from tests.losses.test_criterion import pick, same

PRESETS = [CriterionConfig.default(), CriterionConfig.published()]
KINDS: list[tuple[int, ...]] = [(BOX, MASK), (), (POINT, BOX, POINT, MASK), (POINT,)]


def mixed(ignore: Tensor | None = None) -> PaddedTargets:
    targets = [instances(2), nothing(), instances(4, 1), instances(1, 2, size=(20, 30))]
    return known_as(KINDS, targets, ignore)


def corner(phrases: int, ignored: tuple[int, ...]) -> Tensor:
    """The right third of some phrases is ignored."""
    ignore = torch.zeros(phrases, *SIZE, dtype=torch.bool)
    ignore[list(ignored), :, 11:] = True
    return ignore


def trained(
    config: CriterionConfig, targets: PaddedTargets, steps: int = 80
) -> tuple[list[float], SegmentationOutput]:
    """Losses of a few steps on the outputs themselves, and the outputs after them."""
    start = segmentation(len(targets.counts), presence=False)
    found = {
        name: getattr(start, name).detach().clone().requires_grad_()
        for name in ("mask_logits", "score_logits", "boxes_cxcywh", "semantic_logits")
    }
    optimizer = torch.optim.Adam(found.values(), lr=0.3)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = Criterion(config)(SegmentationOutput(**found), targets).total
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses, SegmentationOutput(**{name: value.detach() for name, value in found.items()})


@pytest.mark.parametrize("config", PRESETS, ids=["default", "published"])
def test_boxes_pull_masks_into_them_and_out_to_their_edges(config: CriterionConfig) -> None:
    targets = known_as([(BOX, BOX)], [instances(2)])
    losses, output = trained(config, targets)
    assert losses[-1] < losses[0] / 2
    pairs = Criterion(config)(output, targets).assignment
    shown, box = output.mask_logits[0, pairs.query] > 0, targets.masks[0, pairs.target]
    assert not (shown & (box == 0)).any()
    for axis in (1, 2):
        assert shown.any(axis)[(box == 1).any(axis)].all()  # rows and columns that the box fills
    assert output.score_logits[0].sigmoid().topk(2).values.min() > 0.6


@pytest.mark.parametrize("config", PRESETS, ids=["default", "published"])
def test_points_pull_masks_over_them(config: CriterionConfig) -> None:
    targets = known_as([(POINT, POINT)], [instances(2)])
    losses, output = trained(config, targets)
    assert losses[-1] < losses[0] / 2
    pairs = Criterion(config)(output, targets).assignment
    at_points = (output.mask_logits[0, pairs.query] * targets.masks[0, pairs.target]).sum((1, 2))
    assert (at_points > 1).all()
    assert output.score_logits[0].sigmoid().topk(2).values.min() > 0.6


def test_a_box_trains_no_single_pixel_inside_and_a_point_no_box() -> None:
    output = segmentation(2)
    targets = known_as([(BOX,), (POINT,)], [instances(1), instances(1)])
    result = Criterion(CriterionConfig.default())(output, targets)
    assert result.parts["mask_dice"] == 0
    box = result.assignment.table(2, 5)[0].argmax()
    alone = point_bce(output.mask_logits[1], targets.masks[1])[result.assignment.table(2, 5)[1].argmax()]
    outside = F.softplus(output.mask_logits[0, box][targets.masks[0, 0] == 0]).mean()
    torch.testing.assert_close(result.parts["mask_bce"], (alone + outside).detach() / 2)
    result.total.backward()
    grads = gradients(output)
    assert grads["boxes_cxcywh"] is not None
    assert grads["boxes_cxcywh"][0, box].any()
    assert not grads["boxes_cxcywh"][1].any()


def test_a_query_over_the_point_or_of_the_box_is_matched() -> None:
    output = segmentation(2)
    targets = known_as([(POINT,), (BOX,)], [instances(1), instances(1)])
    with torch.no_grad():
        output.mask_logits.fill_(-4)
        output.mask_logits[0, 3] += 8 * (targets.masks[0, 0] > 0)
        output.mask_logits[1, 2] += 8 * (targets.masks[1, 0] == 1)
        output.mask_logits[1, 4] = 4  # covers the box, and everything else
        output.score_logits.zero_()
    table = HungarianMatcher()([output], targets)[0].table(2, 5)
    assert table.tolist() == [[-1, -1, -1, 0, -1], [-1, -1, 0, -1, -1]]


def test_projections_and_points_by_hand() -> None:
    box = torch.zeros(1, 4, 4)
    box[:, :2, 1:3] = 1
    cross = torch.full((1, 4, 4), -30.0)
    cross[0, 0, 1] = cross[0, 1, 2] = 30.0  # a diagonal reaches every edge of the box
    assert float(box_projection(cross, box, eps=0.0)) == pytest.approx(0, abs=1e-6)
    assert float(box_quality(cross, box)) == pytest.approx(1, abs=1e-5)
    cross[0, 3, 1] = 30.0  # one more row: dice 4 / 5 of the rows
    assert float(box_projection(cross, box, eps=0.0)) == pytest.approx(0.1, abs=1e-6)
    assert float(box_quality(cross, box)) == pytest.approx(0.8, abs=1e-5)
    hidden = torch.zeros(1, 4, 4, dtype=torch.bool)
    hidden[:, 3] = True
    assert float(box_projection(cross, box, 0.0, hidden)) == pytest.approx(0, abs=1e-6)
    thin = box * 0.3  # a box that is thinner than a pixel of the masks
    assert float(box_quality(cross, thin)) == pytest.approx(0.8, abs=1e-5)
    pixel = torch.zeros(8, 8)
    pixel[3, 4] = 1
    logits = torch.arange(16.0).view(1, 4, 4)
    weights = point_weights(pixel, (4, 4))[None]
    bilinear = F.interpolate(logits[None], (8, 8), mode="bilinear")[0, 0, 3, 4]
    assert float((logits * weights).sum()) == pytest.approx(float(bilinear))
    assert float(weights.sum()) == pytest.approx(1)
    assert float(point_quality(0 * logits, weights)) == pytest.approx(0.5)
    assert float(point_weights(torch.ones(2, 2), (4, 4)).sum()) == pytest.approx(1)
    assert not point_weights(torch.zeros(8, 8), (4, 4)).any()


@pytest.mark.parametrize("points", [None, 40])
@pytest.mark.parametrize("config", PRESETS, ids=["default", "published"])
def test_ignored_pixels_change_nothing(config: CriterionConfig, points: int | None) -> None:
    """Neither matching nor any loss; the sign stays, because a mask that is mostly ignored is not taught 0."""
    criterion = Criterion(config.model_copy(update={"points": points, "auxiliary_weight": 1.0}))
    ignore = corner(4, (0, 1, 2))
    output, results = segmentation(4, auxiliary=1), []
    for factor in (1.0, 5.0):
        for layer in (output, *output.auxiliary):
            layer.mask_logits.data[ignore[:, None].expand(-1, 5, -1, -1)] *= factor
        assert output.semantic_logits is not None
        output.semantic_logits.data[ignore] *= -factor
        torch.manual_seed(0)
        results.append(criterion(output, mixed(ignore)))
    same(*results)
    assert torch.equal(results[0].assignment.table(4, 5), results[1].assignment.table(4, 5))
    results[1].total.backward()
    for layer in (output, *output.auxiliary):
        assert layer.mask_logits.grad is not None
        assert not (layer.mask_logits.grad * ignore[:, None]).any()
        assert (layer.mask_logits.grad * ~ignore[:, None]).any()
    torch.manual_seed(0)
    everything = criterion(output, mixed()).total
    assert not torch.isclose(everything, results[1].total)


def test_a_query_on_ignored_pixels_is_not_taught_to_be_absent() -> None:
    output = segmentation(2)
    ignore = corner(2, (0,))
    with torch.no_grad():
        output.mask_logits.fill_(-3)
        output.mask_logits[:, 1] += 6 * ignore[0]
        output.mask_logits[:, 2, 5, 10:12] = 3  # half of it is ignored, not most
    result = Criterion(CriterionConfig.default())(output, known_as([(), ()], [nothing(), nothing()], ignore))
    result.total.backward()
    grads = gradients(output)
    assert grads["score_logits"] is not None
    assert (grads["score_logits"] > 0).tolist() == [[True, False, True, True, True], [True] * 5]
    # the first phrase may be what is ignored: neither present nor absent
    assert grads["presence_logits"] is not None
    assert (grads["presence_logits"] > 0).tolist() == [False, True]


@pytest.mark.parametrize("ignored", [(), (0, 2)])
def test_order_and_padding_do_not_matter(ignored: tuple[int, ...]) -> None:
    output, criterion = segmentation(4, auxiliary=1), Criterion(CriterionConfig.default())
    targets = mixed(corner(4, ignored) if ignored else None)
    order = [2, 0, 3, 1]
    moved = targets.select(order)
    same(criterion(output, targets), criterion(pick(output, order), moved))
    swap = torch.tensor([3, 1, 0, 2])  # the instances of the third phrase, which fill all columns
    assert targets.known is not None
    masks, boxes, known = targets.masks.clone(), targets.boxes_cxcywh.clone(), targets.known.clone()
    masks[2], boxes[2], known[2] = masks[2, swap], boxes[2, swap], known[2, swap]
    swapped = replace(targets, masks=masks, boxes_cxcywh=boxes, known=known)
    same(criterion(output, targets), criterion(output, swapped))
    narrow = [0, 3]
    alone = criterion(pick(output, narrow), targets.select(narrow))
    assert targets.select(narrow).masks.shape[1] == 2
    wide = PaddedTargets(
        *(value[narrow] for value in (targets.masks, targets.boxes_cxcywh)),
        (2, 1),
        targets.known[narrow],
        None if targets.ignore is None else targets.ignore[narrow],
    )
    same(alone, criterion(pick(output, narrow), wide))


def test_masks_alone_are_not_marked() -> None:
    assert mixed().select([1]).known is None
    assert known_as([(MASK,)], [instances(1)]).known is None


def test_no_ignored_pixel_is_like_none() -> None:
    output, criterion = segmentation(4, auxiliary=1), Criterion(CriterionConfig.default())
    nowhere = torch.zeros(4, *SIZE, dtype=torch.bool)
    same(criterion(output, mixed()), criterion(output, mixed(nowhere)))
    targets = [instances(2), nothing(), instances(4, 1), instances(1)]
    plain, empty = known_as([], targets), known_as([], targets, nowhere)
    same(criterion(output, plain), criterion(output, empty))


def test_a_target_that_is_all_ignored_has_finite_losses() -> None:
    ignore = torch.ones(4, *SIZE, dtype=torch.bool)
    output = segmentation(4, auxiliary=1)
    for config in PRESETS:
        total = Criterion(config)(output, mixed(ignore)).total
        total.backward()
        assert total.isfinite()
        assert output.mask_logits.grad is not None
        assert not output.mask_logits.grad.any()


def test_known_queries_are_judged_by_what_is_known() -> None:
    """A pair gives the loss of its phrase alone; the score is divided by the pairs."""
    output, targets = segmentation(4, queries=1, auxiliary=2), mixed(corner(4, (0,)))
    one = known_as([(BOX,)], [instances(1)], corner(1, (0,)))
    layer = pick(output, [0])
    criterion = Criterion(CriterionConfig.default())
    expected = criterion(replace(layer, presence_logits=None, semantic_logits=None, auxiliary=()), one)
    total, parts = criterion.judge(
        [DetectionOutput(layer.mask_logits, layer.score_logits, layer.boxes_cxcywh)],
        one,
        expected.assignment,
        1,
    )
    torch.testing.assert_close(total, expected.total)
    for name, value in parts.items():
        torch.testing.assert_close(value, expected.parts[name])
    assert len(targets.counts) == 4
