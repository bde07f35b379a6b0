"""Denoising queries: invisible to all others, compared with the target that they were made from."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from instructsam.config import load_config
from instructsam.errors import ConfigError
from instructsam.losses.criterion import Criterion, CriterionConfig
from instructsam.losses.matcher import HungarianMatcher
from instructsam.losses.targets import BOX, MASK, POINT, PaddedTargets, pad_targets
from instructsam.model.detector.base import ExtraQueries
from instructsam.model.initialization import build_model
from instructsam.processing.processor import Sample
from instructsam.structures.outputs import DetectionOutput, SegmentationOutput
from instructsam.training.auxiliary.denoising import (
    SMALLEST,
    NoisedTargets,
    denoising_loss,
    noised_pairs,
    noised_targets,
)
from instructsam.training.settings import RunConfig
from tests.losses.builders import instances, layer, nothing, segmentation
from tests.reference import assert_near
from tests.tiny import picture, tiny_pair
from tests.training.conftest import run, tiny

TARGETS = [instances(2), nothing(), instances(3, 1)]
PADDED = pad_targets(TARGETS, (4, 4), torch.device("cpu"))
PAIRS = noised_pairs(PADDED, 2)


def noised(groups: int = 2, **options: Any) -> NoisedTargets:
    found = noised_targets(PADDED, groups, (1, 2, 0), **options)
    assert found is not None
    return found


def test_without_noise_each_query_has_its_targets_own_box() -> None:
    exact = noised(noise=0.0)
    assert exact.boxes_cxcywh.shape == (3, 6, 4)
    assert exact.group.tolist() == [0, 0, 0, 1, 1, 1]
    assert exact.real.tolist() == [[True, True, False] * 2, [False] * 6, [True] * 6]
    assert len(PAIRS) == 10
    for phrase, query, target in zip(PAIRS.phrase, PAIRS.query, PAIRS.target, strict=True):
        wanted = TARGETS[phrase].boxes_cxcywh[target]
        assert torch.equal(exact.boxes_cxcywh[phrase, query], wanted)


def test_noise_is_bounded_and_a_function_of_the_position() -> None:
    some, exact = noised(), noised(noise=0.0)
    place = (PAIRS.phrase, PAIRS.query)
    boxes, wanted = some.boxes_cxcywh[place], exact.boxes_cxcywh[place]
    moves = (boxes[:, :2] - wanted[:, :2]).abs() / wanted[:, 2:]
    stretch = boxes[:, 2:] / wanted[:, 2:]
    assert 0.05 < moves.max() <= 0.2 + 1e-5
    assert 0.6 - 1e-5 <= stretch.min() < 0.9
    assert 1.1 < stretch.max() <= 1.4 + 1e-5
    assert torch.equal(some.boxes_cxcywh, noised().boxes_cxcywh)
    for position in ((2, 2, 0), (1, 3, 0), (1, 2, 1)):
        other = noised_targets(PADDED, 2, position)
        assert other is not None
        assert not torch.equal(some.boxes_cxcywh, other.boxes_cxcywh)
    edge = torch.tensor([[1.0, 0.0, 1.0, SMALLEST]]).repeat(50, 1)
    clamped = noised_targets(PaddedTargets(torch.ones(1, 50, 4, 4), edge[None], (50,)), 1, (0, 0, 0))
    assert clamped is not None
    assert clamped.boxes_cxcywh.min() >= 0
    assert clamped.boxes_cxcywh.max() <= 1
    assert clamped.boxes_cxcywh[..., 2:].min() >= SMALLEST


def test_points_have_no_box_to_start_from() -> None:
    known = torch.tensor([[POINT, BOX, MASK], [MASK] * 3, [BOX, MASK, POINT]], dtype=torch.int8)
    targets = replace(PADDED, known=known)
    found = noised_targets(targets, 2, (1, 2, 0))
    assert found is not None
    wanted = [[False, True, False], [False] * 3, [True, True, False]]
    assert found.real.tolist() == [row * 2 for row in wanted]
    pairs = noised_pairs(targets, 2)
    assert list(zip(pairs.phrase.tolist(), pairs.target.tolist(), strict=True)) == [
        *[(0, 1)] * 2,
        (2, 0),
        (2, 1),
        (2, 0),
        (2, 1),
    ]


def attentive_model(kernel: str, presence: bool) -> tuple[Any, Any]:
    """A tiny model whose decoder queries listen to one another: at the stock start they hardly do."""
    model, processor = tiny_pair(use_presence=presence)
    built = build_model(copy.deepcopy(model.config), kernel).eval()
    built.load_state_dict(model.state_dict())
    for decoder_layer in built.detector.detr_decoder.layers:
        for parameter in decoder_layer.self_attn.parameters():
            parameter.data.mul_(8)
    return built, processor


def layers_of(output: SegmentationOutput) -> tuple[DetectionOutput, ...]:
    return (*output.auxiliary, output)


@torch.no_grad()
@pytest.mark.parametrize("presence", [True, False])
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_other_queries_do_not_see_them(kernel: str, presence: bool) -> None:
    model, processor = attentive_model(kernel, presence)
    samples = [Sample(0, "a and b", ("mug", "kite")), Sample(1, "the snail", ("snail",))]
    inputs = processor.encode([picture(), picture(1)], samples).as_kwargs()
    targets = noised()
    vector = torch.randn(model.config.detector_size)
    asked = ExtraQueries(vector.expand(3, 6, -1), targets.boxes_cxcywh, targets.group, targets.real)
    alone, both = model(**inputs, auxiliary=True), model(**inputs, auxiliary=True, extra=asked)
    assert alone.extra == ()
    assert len(both.extra) == len(both.auxiliary) + 1
    names = ("mask_logits", "score_logits", "boxes_cxcywh", *(("presence_logits",) if presence else ()))
    for one, two in zip(layers_of(alone), layers_of(both), strict=True):
        for name in names:
            assert_near(getattr(two, name), getattr(one, name), 1e-5)
    assert_near(both.semantic_logits, alone.semantic_logits, 1e-5)
    assert all(tuple(part.boxes_cxcywh.shape) == (3, 6, 4) for part in both.extra)
    assert all(part.presence_logits is None for part in both.extra)

    changed = ~asked.real  # padding, and one query of the second group
    changed[2, 4] = True
    boxes = torch.where(changed[..., None], 0.9, asked.boxes_cxcywh)
    states = torch.where(changed[..., None], -asked.states, asked.states)
    moved = model(**inputs, auxiliary=True, extra=replace(asked, boxes_cxcywh=boxes, states=states))
    first = asked.real & (asked.group == 0)
    for one, two in zip(both.extra, moved.extra, strict=True):
        for name in names[:3]:
            assert_near(getattr(two, name)[first], getattr(one, name)[first], 1e-5)
    # its own group sees it
    assert (moved.extra[-1].mask_logits[2, 3] - both.extra[-1].mask_logits[2, 3]).abs().max() > 1e-3


@pytest.mark.parametrize("points", [None, 8])
@pytest.mark.parametrize("score_loss", ["bce", "focal"])
def test_a_known_pair_costs_what_a_matched_one_costs(score_loss: str, points: int | None) -> None:
    changes = {"score_loss": score_loss, "points": points}
    criterion = Criterion(CriterionConfig.preset("default", changes))
    output, targets = segmentation(1, queries=4, auxiliary=1, presence=False), [instances(4)]
    torch.manual_seed(0)
    result = criterion(output, targets)  # every query is matched
    torch.manual_seed(0)
    _, parts = criterion.judge((*output.auxiliary, output), result.targets, result.assignment, 4)
    names = {"score", "mask_bce", "mask_dice", "box_l1", "box_giou"}
    assert parts.keys() == names
    for name in names - ({"mask_bce", "mask_dice"} if points else set()):  # other random points
        factor = 4 if name == "score" and score_loss == "focal" else 1  # a sum there, a mean here
        torch.testing.assert_close(parts[name] * factor, result.parts[name])


def test_the_loss_counts_every_layer_and_no_padding() -> None:
    asked = noised()
    layers = tuple(layer(3, 6, seed, presence=False) for seed in range(2))
    output = replace(segmentation(3), extra=layers)
    config = CriterionConfig.default().model_copy(update={"matcher": HungarianMatcher()})
    padded = Criterion(config).pad(output, TARGETS)
    total, parts = denoising_loss(Criterion(config), layers, padded, PAIRS, 5)
    assert set(parts) == {"dn_total", "dn_mask_dice", "dn_box_l1", "dn_score"}
    total.backward()
    for part in layers:
        for tensor in (part.mask_logits, part.score_logits, part.boxes_cxcywh):
            assert tensor.grad is not None
            felt = tensor.grad.flatten(2).abs().sum(-1) if tensor.dim() > 2 else tensor.grad.abs()
            assert torch.equal(felt > 0, asked.real)
    half, _ = denoising_loss(Criterion(config), layers, padded, PAIRS, 10)
    torch.testing.assert_close(half * 2, total)
    last, _ = denoising_loss(
        Criterion(config.model_copy(update={"auxiliary_weight": 0})), layers, padded, PAIRS, 5
    )
    assert 0 < last < total


def test_a_batch_without_targets_has_the_same_names() -> None:
    criterion, output = Criterion(CriterionConfig.default()), segmentation(2)
    padded = criterion.pad(output, [nothing(), nothing()])
    assert noised_targets(padded, 2, (0, 0, 0)) is None
    total, parts = denoising_loss(criterion, (), padded, noised_pairs(padded, 2), 0.0)
    assert total == 0
    assert set(parts) == {"dn_total", "dn_mask_dice", "dn_box_l1", "dn_score"}


@pytest.mark.parametrize(
    "changes",
    [
        ("precision=bfloat16", "loss.objectives.query_readout=1.0", "loss.detected_fraction=0.5"),
        ("precision=bfloat16", "attention=eager", "loss.overrides.auxiliary_weight=0"),
        ("stage=phrases", "loss.preset=published", "loss.overrides.points=32", "optim.muon_lr=1e-3"),
        ("model.overrides={num_queries: 1, instance_form: token_as_mask}",),
        ("model.overrides={num_queries: 1, instance_form: token_per_instance}",),
    ],
    ids=lambda changes: changes[-1],
)
def test_a_run_denoises_and_leaves_its_vector_behind(tmp_path: Path, changes: tuple[str, ...]) -> None:
    more = ("loss.objectives.denoising=1.0", "loss.denoising_groups=2", "schedule.total_steps=2", *changes)
    folder = run(None, tiny(tmp_path, *more))
    lines = [json.loads(line)["parts"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all(parts["dn_total"] > 0 for parts in lines)
    assert all(math.isfinite(value) for parts in lines for value in parts.values())
    kept = load_file(tmp_path / "checkpoints" / "step-00000002" / "model.safetensors")
    assert "objectives.denoising.vector" in kept
    assert not any("denoising" in name for name in load_file(folder / "model.safetensors"))


@pytest.mark.parametrize("change", ["loss.objectives.denoising=-1", "loss.denoising_groups=0"])
def test_settings_that_make_no_sense(change: str) -> None:
    with pytest.raises(ConfigError, match="denoising"):
        load_config(RunConfig, None, [change])
