"""Matching on constructed cases whose best assignment is known."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from instructsam.errors import InputError
from instructsam.losses.mask_losses import generalized_iou, mask_bce, mask_dice
from instructsam.losses.matcher import HungarianMatcher
from instructsam.losses.targets import PaddedTargets, pad_targets
from instructsam.structures.outputs import DetectionOutput
from tests.losses.builders import SIZE, instances, layer, nothing

CPU = torch.device("cpu")
ALL_COSTS = HungarianMatcher(dice=1.5, bce=2.0, score=0.7, box_l1=5.0, box_giou=2.0)


def padded(*counts: int) -> PaddedTargets:
    chosen = [instances(count, seed) if count else nothing() for seed, count in enumerate(counts)]
    return pad_targets(chosen, SIZE, CPU)


def test_perfect_masks_are_matched_in_whatever_slot_they_stand() -> None:
    targets = padded(3, 1)
    order = torch.tensor([[2, 4, 0], [3, -1, -1]])
    logits = torch.full((2, 5, *SIZE), -6.0)
    for phrase, count in enumerate(targets.counts):
        for target in range(count):
            logits[phrase, order[phrase, target]] += 12 * targets.masks[phrase, target]
    output = DetectionOutput(logits, torch.zeros(2, 5), torch.rand(2, 5, 4))
    table = HungarianMatcher()([output], targets)[0].table(2, 5)
    assert table.tolist() == [[2, -1, 0, -1, 1], [-1, -1, -1, 0, -1]]


def test_equal_masks_are_told_apart_by_their_scores() -> None:
    output = DetectionOutput(torch.zeros(1, 4, *SIZE), torch.tensor([[0.0, 1, 3, 2]]), torch.rand(1, 4, 4))
    assignment = HungarianMatcher()([output], padded(1))[0]
    assert assignment.query.tolist() == [2]


def test_equal_masks_are_told_apart_by_their_boxes_when_boxes_count() -> None:
    targets = padded(2)
    boxes = targets.boxes_cxcywh[0][[1, 0]].clone()
    output = DetectionOutput(torch.zeros(1, 2, *SIZE), torch.zeros(1, 2), boxes[None])
    for matcher in (HungarianMatcher(box_l1=5.0), HungarianMatcher(box_giou=2.0)):
        assert matcher([output], targets)[0].table(1, 2).tolist() == [[1, 0]]


def test_costs_are_those_of_the_losses_pair_by_pair() -> None:
    targets, output = padded(2, 0, 4), layer(3, 5, seed=7)
    costs = ALL_COSTS.costs(output, targets)
    for phrase, count in enumerate(targets.counts):
        for query in range(5):
            for target in range(count):
                logits = output.mask_logits[phrase, query].flatten()[None]
                mask = targets.masks[phrase, target].flatten()[None]
                box, wanted = output.boxes_cxcywh[phrase, query], targets.boxes_cxcywh[phrase, target]
                expected = {
                    "dice": mask_dice(logits, mask, eps=1e-3)[0],
                    "bce": mask_bce(logits, mask)[0],
                    "score": -torch.log(output.score_logits[phrase, query].sigmoid()),
                    "box_l1": (box - wanted).abs().sum(),
                    "box_giou": 1 - generalized_iou(box, wanted),
                }
                for name, value in expected.items():
                    torch.testing.assert_close(getattr(costs, name)[phrase, query, target], value.detach())


def test_assignment_is_the_cheapest_of_all() -> None:
    targets, output = padded(3, 4), layer(2, 5, seed=3)
    total = ALL_COSTS.total(ALL_COSTS.costs(output, targets))
    assignment = ALL_COSTS([output], targets)[0]
    for phrase, count in enumerate(targets.counts):
        here = assignment.phrase == phrase
        chosen = total[phrase, assignment.query[here], assignment.target[here]].sum()
        best = min(
            sum(float(total[phrase, query, target]) for target, query in enumerate(slots))
            for slots in permutations(range(5), count)
        )
        assert float(chosen) == pytest.approx(best, rel=1e-5)


def test_every_layer_is_matched_with_its_own_outputs() -> None:
    targets, layers = padded(3, 2), [layer(2, 5, seed) for seed in (1, 2, 3)]
    together = ALL_COSTS(layers, targets)
    alone = [ALL_COSTS([one], targets)[0] for one in layers]
    tables = [assignment.table(2, 5) for assignment in together]
    assert all(torch.equal(a, b.table(2, 5)) for a, b in zip(tables, alone, strict=True))
    assert not torch.equal(tables[0], tables[1])


def test_padding_of_other_phrases_changes_nothing() -> None:
    output = layer(1, 5, seed=4)
    wide = DetectionOutput(*(torch.cat([value, value]) for value in vars(output).values()))
    alone = ALL_COSTS([output], padded(2))[0].table(1, 5)
    beside = ALL_COSTS([wide], pad_targets([instances(2, 0), instances(5, 1)], SIZE, CPU))[0].table(2, 5)
    assert torch.equal(alone[0], beside[0])


def test_more_targets_than_queries_matches_every_query_once() -> None:
    assignment = HungarianMatcher()([layer(1, 3, seed=0)], padded(5))[0]
    assert sorted(assignment.query.tolist()) == [0, 1, 2]
    assert len(set(assignment.target.tolist())) == 3


def test_earlier_layers_may_give_each_target_several_queries() -> None:
    targets = padded(2, 5, 0, 1)
    one = layer(4, 5, seed=3)
    once, thrice = HungarianMatcher()([one, one], targets, copies=[1, 3])
    assert torch.equal(once.query, HungarianMatcher()([one], targets)[0].query)
    per_phrase = [thrice.target[thrice.phrase == phrase].sort().values.tolist() for phrase in range(4)]
    assert per_phrase == [
        [0, 0, 1, 1],
        [0, 1, 2, 3, 4],
        [],
        [0, 0, 0],
    ]  # as many as five queries are enough for
    places = thrice.phrase * 5 + thrice.query
    assert len(places.unique()) == len(places)


def test_no_target_anywhere_gives_an_empty_assignment() -> None:
    first, second = HungarianMatcher()([layer(2, 3, 0), layer(2, 3, 1)], padded(0, 0))
    assert len(first) == len(second) == 0
    assert first.table(2, 3).tolist() == [[-1] * 3] * 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize(("field", "named"), [("mask_logits", "bce"), ("boxes_cxcywh", "box_l1")])
def test_costs_that_are_not_finite_name_the_culprit(bad: float, field: str, named: str) -> None:
    output = layer(3, 4, seed=0)
    getattr(output, field).data[1, 2, 0] = bad
    with pytest.raises(InputError, match=f"{named}.* of layer 0, phrase 1, query 2"):
        ALL_COSTS([output], padded(1, 2, 1))


def test_costs_are_float32_under_autocast() -> None:
    targets, output = padded(2), layer(1, 5, seed=0)
    plain = HungarianMatcher().costs(output, targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = HungarianMatcher().costs(output, targets)
    assert torch.equal(plain.bce, mixed.bce)
    assert torch.equal(plain.dice, mixed.dice)
