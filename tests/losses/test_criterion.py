"""What the criterion promises: no-target phrases train, weights count once, order does not matter."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F

from instructsam.errors import ConfigError, InputError
from instructsam.losses.counts import LossCounts
from instructsam.losses.criterion import Criterion, CriterionConfig, CriterionOutput, text_loss
from instructsam.losses.criterion_config import WEIGHT_NAMES
from instructsam.losses.mask_losses import soft_dice
from instructsam.losses.matcher import HungarianMatcher
from instructsam.losses.targets import BOX, MASK, POINT
from instructsam.structures.outputs import DetectionOutput, SegmentationOutput
from tests.losses.builders import SIZE, gradients, instances, known_as, nothing, segmentation

DEFAULT = CriterionConfig.default()
LABELS = torch.tensor([[-100, -100, 3, 4, -100, 5], [-100, 1, -100, 2, 2, -100]])


def flat_weights(config: CriterionConfig, **weights: float) -> CriterionConfig:
    return config.model_copy(update={"weights": weights, "auxiliary_weight": 0.0})


def pick(output: SegmentationOutput, order: list[int]) -> SegmentationOutput:
    """The same output with its phrases in another order, or fewer of them."""

    def chosen(layer: DetectionOutput) -> dict[str, torch.Tensor]:
        names = [field.name for field in fields(DetectionOutput)]
        return {name: getattr(layer, name)[order] for name in names if getattr(layer, name) is not None}

    auxiliary = tuple(DetectionOutput(**chosen(layer)) for layer in output.auxiliary)
    assert output.semantic_logits is not None
    return replace(
        output, **chosen(output), semantic_logits=output.semantic_logits[order], auxiliary=auxiliary
    )


def same(a: CriterionOutput, b: CriterionOutput) -> None:
    torch.testing.assert_close(a.total, b.total)
    assert a.parts.keys() == b.parts.keys()
    for name in a.parts:
        torch.testing.assert_close(a.parts[name], b.parts[name])


def test_total_is_the_weighted_sum_of_the_parts() -> None:
    output, targets = segmentation(3, auxiliary=2), [instances(2), nothing(), instances(4, 1)]
    config = DEFAULT.model_copy(update={"auxiliary_weight": 0.5})
    result = Criterion(config)(output, targets, LABELS)
    assert set(result.parts) == {*WEIGHT_NAMES, "auxiliary", "unassigned_targets"}
    expected = sum(config.weight(name) * result.parts[name] for name in WEIGHT_NAMES)
    torch.testing.assert_close(result.total.detach(), expected + 0.5 * result.parts["auxiliary"])
    assert not any(part.requires_grad for part in result.parts.values())


@pytest.mark.parametrize("name", WEIGHT_NAMES)
def test_each_weight_scales_its_own_loss_linearly(name: str) -> None:
    output = segmentation(3)
    targets = known_as([(MASK, BOX), (), (BOX, MASK, POINT)], [instances(2), nothing(), instances(4, 1)])
    totals = [
        float(Criterion(flat_weights(DEFAULT, **{name: weight}))(output, targets, LABELS).total.detach())
        for weight in (1.0, 3.0)
    ]
    part = float(Criterion(flat_weights(DEFAULT, **{name: 1.0}))(output, targets, LABELS).parts[name])
    assert part > 0
    assert totals == pytest.approx([part, 3 * part], rel=1e-5)


def test_auxiliary_weight_scales_the_earlier_layers_only() -> None:
    output, targets = segmentation(2, auxiliary=2), [instances(2), instances(1)]
    totals = {
        weight: float(
            Criterion(DEFAULT.model_copy(update={"auxiliary_weight": weight}))(output, targets).total.detach()
        )
        for weight in (0.0, 1.0, 2.0)
    }
    without = Criterion(DEFAULT)(replace(output, auxiliary=()), targets)
    assert totals[0.0] == pytest.approx(float(without.total.detach()), rel=1e-5)
    assert totals[2.0] - totals[0.0] == pytest.approx(2 * (totals[1.0] - totals[0.0]), rel=1e-4)
    assert totals[1.0] > totals[0.0]


def test_an_auxiliary_layer_that_equals_the_last_counts_like_it() -> None:
    output, targets = segmentation(2), [instances(2), nothing()]
    twin = DetectionOutput(*(getattr(output, field.name) for field in fields(DetectionOutput)))
    result = Criterion(DEFAULT)(replace(output, auxiliary=(twin,)), targets)
    names = ("mask_bce", "mask_dice", "score", "box_l1", "box_giou", "presence")
    expected = sum(DEFAULT.weight(name) * result.parts[name] for name in names)
    torch.testing.assert_close(result.parts["auxiliary"], expected)


@pytest.mark.parametrize("score_loss", ["bce", "focal"])
@pytest.mark.parametrize("preset", ["default", "published"])
def test_a_phrase_without_target_alone_trains_its_scores_to_zero(preset: str, score_loss: str) -> None:
    output = segmentation(1, auxiliary=1)
    config = CriterionConfig.preset(preset, {"score_loss": score_loss})
    result = Criterion(config)(output, [nothing()], LABELS)
    result.total.backward()
    assert result.parts["score"] > 0
    assert result.parts["mask_bce"] == result.parts["mask_dice"] == 0
    grads = gradients(output)
    assert grads["score_logits"] is not None
    assert (grads["score_logits"] > 0).all()  # every score is pushed down
    assert grads["mask_logits"] is not None
    assert not grads["mask_logits"].any()
    assert all(grad.isfinite().all() for grad in grads.values() if grad is not None)
    if preset == "default":
        assert grads["presence_logits"] is not None
        assert (grads["presence_logits"] > 0).all()
        assert output.semantic_logits is not None
        assert output.semantic_logits.grad is not None
        assert (output.semantic_logits.grad > 0).all()


def test_no_target_score_loss_is_that_of_all_zero_targets() -> None:
    output = segmentation(1)
    result = Criterion(DEFAULT)(output, [nothing()])
    torch.testing.assert_close(result.parts["score"], F.softplus(output.score_logits).mean().detach())


def test_a_phrase_without_target_is_judged_alone_beside_a_positive_one() -> None:
    """Neither taught a score of 0.1 nor matched to an empty mask, in either position."""
    both = segmentation(2)
    for order in ([0, 1], [1, 0]):
        output = pick(both, order)
        targets = [[instances(3), nothing()][index] for index in order]
        empty = order.index(1)
        criterion = Criterion(DEFAULT)
        result = criterion(output, targets)
        assert not (result.assignment.phrase == empty).any()
        grad = torch.autograd.grad(result.total, output.score_logits, retain_graph=True)[0]
        alone = pick(both, [1])
        expected = torch.autograd.grad(criterion(alone, [nothing()]).total, alone.score_logits)[0]
        torch.testing.assert_close(grad[empty], expected[0] / 2)  # a mean over two phrases


def test_score_targets_are_soft_dice_with_a_floor_and_zero_elsewhere() -> None:
    """The gradient of BCE is sigmoid - target, so it shows the targets that were used."""
    output, targets = segmentation(1, queries=4), [instances(2)]
    with torch.no_grad():
        resized = F.interpolate(targets[0].masks[:, None].float(), SIZE, mode="area")[:, 0]
        output.mask_logits[0, 1] = 4 * resized[0] - 2
        output.mask_logits[0, 3] = 2 - 4 * resized[1] - 3.9 * (resized[0] > 0.5)  # all but its own instance
        output.score_logits[0, 1] = output.score_logits[0, 3] = 5.0
    config = flat_weights(DEFAULT, score=1.0)
    result = Criterion(config.model_copy(update={"matcher": HungarianMatcher(score=100.0)}))(output, targets)
    result.total.backward()
    assert output.score_logits.grad is not None
    used = output.score_logits.detach().sigmoid() - 4 * output.score_logits.grad
    table = result.assignment.table(1, 4)[0]
    assert table.tolist() == [-1, 0, -1, 1]
    quality = soft_dice(output.mask_logits[0].flatten(1), resized.flatten(1)[table])
    assert float(quality[3]) < 0.1 < float(quality[1])
    expected = torch.tensor([[0.0, float(quality[1]), 0.0, 0.1]])
    torch.testing.assert_close(used, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("score_loss", ["bce", "focal"])
def test_phrase_order_does_not_matter(score_loss: str) -> None:
    output = segmentation(4, auxiliary=1)
    targets = [instances(2), nothing(), instances(4, 1), instances(1, 2, size=(20, 30))]
    criterion = Criterion(DEFAULT.model_copy(update={"score_loss": score_loss}))
    order = [2, 0, 3, 1]
    same(criterion(output, targets), criterion(pick(output, order), [targets[index] for index in order]))


@pytest.mark.parametrize("score_loss", ["bce", "focal"])
@pytest.mark.parametrize("hidden", [False, True], ids=["all masks", "boxes, points and ignored pixels"])
def test_divisors_make_unequal_parts_equal_one_batch(score_loss: str, hidden: bool) -> None:
    """Data parallelism and accumulation: every loss, though the parts differ in phrases, targets and tokens."""
    config = DEFAULT.model_copy(update={"score_loss": score_loss, "auxiliary_copies": 3})
    criterion, output = Criterion(config), segmentation(4, auxiliary=2)
    targets = [nothing(), instances(7), instances(1), nothing()]
    padded = criterion.pad(output, targets)
    if hidden:
        ignore = torch.zeros(4, *SIZE, dtype=torch.bool)
        ignore[[0, 2], :3] = True  # the presence of the first phrase is unknown
        padded = known_as([(), (MASK, BOX, POINT, MASK, BOX, MASK, MASK), (BOX,), ()], targets, ignore)
    output.auxiliary[0].presence_logits.data += 1
    whole = criterion(output, padded, LABELS)
    counts = LossCounts.of(padded.counts, 5, config.auxiliary_copies)
    counts = replace(counts, presences=3 if hidden else 4, tokens=6, batches=3)
    parts = []
    for phrases, rows in (([0], []), ([1, 2], [0]), ([3], [1])):
        part = replace(pick(output, phrases), text_logits=output.text_logits[rows])
        parts.append(criterion(part, padded.select(phrases), LABELS[rows], counts.divisors()))
    torch.testing.assert_close(sum(part.total for part in parts) / 3, whole.total)
    for name, value in whole.parts.items():
        torch.testing.assert_close(sum(part.parts[name] for part in parts) / 3, value, msg=name)


def test_more_targets_than_queries_are_reported_and_as_many_as_possible_trained() -> None:
    output, targets = segmentation(2, queries=3, auxiliary=1), [instances(5), instances(4)]
    result = Criterion(DEFAULT)(output, targets)
    assert float(result.parts["unassigned_targets"]) == 3
    assert (result.assignment.table(2, 3) >= 0).all()
    fits = Criterion(DEFAULT)(output, [instances(3), instances(1)])
    assert float(fits.parts["unassigned_targets"]) == 0


def test_sampled_points_agree_with_dense_masks_and_reach_the_masks() -> None:
    with torch.no_grad():
        output = segmentation(2)
        smooth = F.interpolate(output.mask_logits[:, :, ::4, ::4], SIZE, mode="bicubic")
    output = replace(output, mask_logits=smooth.requires_grad_())
    targets = [instances(2), instances(1)]
    dense = Criterion(DEFAULT)(output, targets)
    torch.manual_seed(0)
    sampled = Criterion(DEFAULT.model_copy(update={"points": 20_000}))(output, targets)
    sampled.total.backward()
    assert smooth.grad is not None
    assert smooth.grad.isfinite().all()
    assert smooth.grad.any()
    # most points lie where the prediction is undecided, so the cross-entropy differs somewhat
    assert float(sampled.parts["mask_bce"]) == pytest.approx(float(dense.parts["mask_bce"]), rel=0.5)
    assert sampled.parts["mask_bce"] != dense.parts["mask_bce"]
    torch.testing.assert_close(sampled.parts["score"], dense.parts["score"])
    empty = Criterion(DEFAULT.model_copy(update={"points": 16}))(output, [nothing(), nothing()])
    assert float(empty.parts["mask_bce"]) == 0


def test_perfect_predictions_cost_next_to_nothing() -> None:
    target = instances(2)
    masks = F.interpolate(target.masks[:, None].float(), SIZE, mode="nearest")[:, 0]
    logits = torch.full((1, 3, *SIZE), -30.0)
    logits[0, :2] += 60 * masks
    boxes = torch.cat([target.boxes_cxcywh, torch.full((1, 4), 0.5)])[None]
    output = SegmentationOutput(
        logits, torch.tensor([[30.0, 30, -30]]), boxes, torch.tensor([30.0]), 60 * masks.sum(0)[None] - 30
    )
    result = Criterion(DEFAULT.model_copy(update={"target_resize": "nearest"}))(output, [target])
    assert float(result.total) == pytest.approx(0, abs=1e-3)


def test_focal_scores_forgive_easy_queries_and_vanish_at_their_target() -> None:
    output = segmentation(1, queries=6)
    config = flat_weights(DEFAULT.model_copy(update={"score_loss": "focal"}), score=1.0)
    wrong = replace(output, score_logits=torch.full((1, 6), 4.0))
    right = replace(output, score_logits=torch.full((1, 6), -4.0))
    high, low = (float(Criterion(config)(one, [nothing()]).total) for one in (wrong, right))
    assert high > 1000 * low > 0
    more = replace(right, score_logits=torch.full((1, 60), -4.0))
    more = replace(more, mask_logits=torch.zeros(1, 60, *SIZE), boxes_cxcywh=torch.rand(1, 60, 4))
    assert float(Criterion(config)(more, [nothing()]).total) == pytest.approx(10 * low, rel=1e-4)


def test_text_loss_shifts_by_one_and_ignores_unsupervised_tokens() -> None:
    output = segmentation(1)
    assert output.text_logits is not None
    logits = output.text_logits
    pairs = [(0, 1, 3), (0, 2, 4), (0, 4, 5), (1, 0, 1), (1, 2, 2), (1, 3, 2)]
    expected = torch.stack([-logits[b, i].log_softmax(-1)[label] for b, i, label in pairs]).mean()
    torch.testing.assert_close(text_loss(logits, LABELS), expected)
    unsupervised = text_loss(logits, torch.full_like(LABELS, -100))
    unsupervised.backward()
    assert float(unsupervised.detach()) == 0


def test_half_precision_outputs_give_a_float32_loss() -> None:
    output, targets = segmentation(2), [instances(2), nothing()]
    half = SegmentationOutput(
        *(getattr(output, field.name).bfloat16() for field in fields(DetectionOutput)),
        semantic_logits=output.semantic_logits,
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = Criterion(DEFAULT)(half, targets)
    assert result.total.dtype == torch.float32
    reference = Criterion(DEFAULT)(output, targets)
    torch.testing.assert_close(result.total, reference.total, rtol=0.02, atol=0.02)


def test_losses_without_logits_are_left_out() -> None:
    output = replace(segmentation(1, presence=False), semantic_logits=None)
    parts = Criterion(DEFAULT)(output, [instances(1)]).parts
    assert not {"presence", "semantic_bce", "semantic_dice", "text", "auxiliary"} & set(parts)


def test_what_does_not_fit_is_refused() -> None:
    output, criterion = segmentation(2), Criterion(DEFAULT)
    with pytest.raises(InputError, match="got 1 for 2"):
        criterion(output, [instances(1)])
    with pytest.raises(InputError, match="text_logits"):
        criterion(replace(output, text_logits=None), [instances(1), nothing()], LABELS)
    with pytest.raises(InputError, match="semantic_logits"):
        criterion(replace(output, semantic_logits=torch.zeros(2, 3, 3)), [instances(1), nothing()])


def test_presets() -> None:
    published = CriterionConfig.published()
    effective = {"text": 1.0, "mask_bce": 4.0, "mask_dice": 0.25, "score": 1.0}
    assert published.weights == effective | {"box_projection": 1.0}  # the released run knew masks only
    assert (published.auxiliary_weight, published.points, published.target_resize) == (0, None, "nearest")
    assert set(DEFAULT.weights) == set(WEIGHT_NAMES)
    changed = CriterionConfig.preset(
        "default", {"weights": {"score": 7}, "points": 99, "matcher": {"dice": 8}}
    )
    assert changed.weights == DEFAULT.weights | {"score": 7}
    assert (changed.points, changed.matcher.dice, changed.matcher.bce) == (99, 8, DEFAULT.matcher.bce)
    assert DEFAULT == CriterionConfig.default() == CriterionConfig.preset("default")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"weights": {"mask_dise": 1.0}}, "mask_dice"),
        ({"weights": {"score": -1.0}}, r"weights.score must lie in \[0, 1000000\]"),
        ({"matcher": {"dyce": 1.0}}, "dice"),
        ({"matcher": {"bce": float("nan")}}, "loss.overrides.matcher.bce must be a finite number"),
        ({"matcher": dict.fromkeys(("dice", "bce", "score", "box_l1", "box_giou"), 0.0)}, "above 0"),
        ({"matcher": 3}, "matcher must be a mapping"),
        ({"points": "many"}, "points must be a whole number or null"),
        ({"weights": {"text": "x"}}, "weights.text must be a finite number"),
        ({"weights": 1.0}, "weights must be a mapping"),
        ({"focal_gamma": -1.0}, "focal_gamma"),
        ({"focal_alpha": 2.0}, "focal_alpha"),
        ({"dice_eps": -1.0}, "dice_eps"),
        ({"auxiliary_copies": 0}, "auxiliary_copies"),
        ({"auxiliary_weight": -0.5}, "auxiliary_weight"),
        ({"auxilary_weight": 1.0}, "auxiliary_weight"),
        ({"score_loss": "hinge"}, "'bce', 'focal'"),
        ({"target_resize": "cubic"}, "'nearest', 'area'"),
        ({"points": 0}, "points must lie in"),
        ({"score_target_floor": 2.0}, r"\[0, 1\]"),
    ],
)
def test_a_wrong_setting_is_refused_with_a_hint(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CriterionConfig.preset("default", overrides, "loss.overrides.")
    with pytest.raises(ConfigError, match="published"):
        CriterionConfig.preset("publised")
