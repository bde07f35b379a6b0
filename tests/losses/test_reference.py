"""The losses against tensors recorded from the released code (shared/reference, data only)."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from instructsam.losses.criterion import Criterion, CriterionConfig, CriterionOutput
from instructsam.losses.mask_losses import mask_bce, mask_dice, soft_dice
from instructsam.losses.matcher import HungarianMatcher
from instructsam.losses.points import sample_at, uncertain_points
from instructsam.losses.targets import pad_targets, resize_masks
from instructsam.structures.outputs import PhraseTarget, SegmentationOutput
from tests.reference import fields, needs_reference, tensors

pytestmark = needs_reference
CLOSE = {"rtol": 2e-4, "atol": 2e-5}


@pytest.fixture(scope="module")
def units() -> dict[str, torch.Tensor]:
    return tensors("units")


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    return fields("units")


@pytest.fixture(scope="module")
def training() -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    return tensors("n5/training"), fields("n5/training")["variants"]


@pytest.fixture(scope="module")
def output() -> SegmentationOutput:
    """The reference model's own outputs for the training batch: three phrases of two samples."""
    recorded = tensors("n5/teacher_forced")
    both = {
        name: torch.cat([recorded[f"sample{sample}.{name}"] for sample in (0, 1)])
        for name in ("pred_masks", "pred_logits", "pred_boxes")
    }
    head = tensors("n5/model")["lm_head.weight"]
    return SegmentationOutput(
        mask_logits=both["pred_masks"],
        score_logits=both["pred_logits"],
        boxes_cxcywh=both["pred_boxes"],
        text_logits=recorded["lm.last_hidden_state"] @ head.T,
    )


@pytest.fixture(scope="module")
def labels() -> torch.Tensor:
    return tensors("n5/teacher_forced")["labels_after_forward"]


def phrase_targets(recorded: dict[str, torch.Tensor], empty_first: bool = False) -> list[PhraseTarget]:
    first, second = recorded["in.gt_masks.0"][:, 0], recorded["in.gt_masks.1"][:, 0]
    chosen = [first[:0] if empty_first else first, second[[0, 1]], second[[2]]]
    return [PhraseTarget(masks, torch.zeros(len(masks), 4)) for masks in chosen]


def check(result: CriterionOutput, expected: dict[str, Any], rtol: float = 2e-4) -> None:
    parts = {name: float(value) for name, value in result.parts.items()}
    assert parts["text"] == pytest.approx(expected["ce_loss"], rel=2e-4)
    assert 4 * parts["mask_bce"] == pytest.approx(expected["mask_bce_loss"], rel=rtol)
    assert 0.25 * parts["mask_dice"] == pytest.approx(expected["mask_dice_loss"], rel=rtol)
    assert parts["score"] == pytest.approx(expected["cls_loss"], rel=2e-4)
    assert float(result.total) == pytest.approx(expected["loss"], rel=rtol)


def test_costs_and_assignment_of_the_unit_case(units, numbers) -> None:
    masks, wanted = units["loss.pred_masks"][:, 0], units["loss.gt_masks"][:, 0]
    output = SegmentationOutput(masks[None], units["loss.pred_logits"][None], torch.zeros(1, 6, 4))
    targets = pad_targets([PhraseTarget(wanted, torch.zeros(3, 4))], (32, 32), masks.device)
    matcher = HungarianMatcher()
    costs = matcher.costs(output, targets)
    weighted = torch.stack([0.5 * costs.dice[0], 2 * costs.bce[0], costs.score[0]])
    torch.testing.assert_close(weighted, units["loss.cost_dice_bce_cls"], **CLOSE)
    table = matcher([output], targets)[0].table(1, 6)
    assert table[0].tolist() == numbers["assigned_gt_inds"]


def test_mask_losses_of_the_unit_case(units, numbers) -> None:
    logits, wanted = units["loss.pred_masks"][:3].flatten(1), units["loss.gt_masks"].flatten(1)
    assert (2 * mask_bce(logits, wanted)).tolist() == pytest.approx(numbers["loss_mask(2.0*bce)"], rel=2e-4)
    dice = 0.5 * mask_dice(logits, wanted, eps=1.0)
    assert dice.tolist() == pytest.approx(numbers["loss_dice(0.5*dice,eps=1)"], rel=2e-4)
    assert soft_dice(logits, wanted).tolist() == pytest.approx(numbers["dice_score(sigmoid)"], rel=2e-4)
    empty = torch.zeros_like(wanted[:1])
    against_empty = 0.5 * mask_dice(logits[:1], empty, eps=1.0)
    assert float(against_empty) == pytest.approx(numbers["loss_dice_vs_empty_gt"], rel=2e-4)
    assert float(soft_dice(logits[:1], empty)) == pytest.approx(numbers["dice_score_vs_empty_gt"], abs=1e-8)


def test_points_of_the_unit_case(units) -> None:
    logits, wanted = units["loss.pred_masks"][:1, 0], units["loss.gt_masks"][:1, 0]
    torch.manual_seed(77)
    points = uncertain_points(logits, 64)
    torch.testing.assert_close(points, units["points.coords_seed77_n64"], rtol=0, atol=1e-6)
    torch.testing.assert_close(sample_at(logits, points), units["points.pred_seed77_n64"][:, 0], **CLOSE)
    torch.testing.assert_close(sample_at(wanted, points), units["points.gt_seed77_n64"][:, 0], **CLOSE)


def test_nearest_resize_of_the_unit_case(units) -> None:
    resized = resize_masks(units["resize.gt_45x71"][:, 0], (32, 32), "nearest")
    assert torch.equal(resized, units["resize.gt_to_32x32_nearest"][:, 0].float())


def test_costs_of_the_training_case(output, training) -> None:
    recorded, _ = training
    targets = pad_targets(phrase_targets(recorded), (32, 32), output.mask_logits.device)
    costs = HungarianMatcher().costs(output, targets)
    weighted = torch.stack([0.5 * costs.dice, 2 * costs.bce, costs.score])
    for phrase, count in enumerate(targets.counts):
        expected = recorded[f"main.cost.{phrase}"]
        torch.testing.assert_close(weighted[:, phrase, :, :count], expected, rtol=2e-4, atol=2e-4)


def test_published_loss_of_the_training_case(output, labels, training) -> None:
    recorded, variants = training
    result = Criterion(CriterionConfig.published())(output, phrase_targets(recorded), labels)
    check(result, variants["main"])
    assert result.assignment.table(3, 5).tolist() == variants["main"]["assigned_gt_inds"]


def test_published_loss_with_a_phrase_without_target(output, labels, training) -> None:
    recorded, variants = training
    result = Criterion(CriterionConfig.published())(
        output, phrase_targets(recorded, empty_first=True), labels
    )
    check(result, variants["null_only_sample0"])


def test_published_loss_with_sampled_points(output, labels, training) -> None:
    """The released code draws its points in another order: the same seed gives other points, 0.5% apart."""
    recorded, variants = training
    torch.manual_seed(1234)
    criterion = Criterion(CriterionConfig.published().model_copy(update={"points": 12544}))
    check(criterion(output, phrase_targets(recorded), labels), variants["sample_points"], rtol=5e-3)
