"""Predictions from query states before the detector, and batches of which the detector answers a share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from instructsam.config import load_config
from instructsam.errors import ConfigError
from instructsam.losses.targets import POINT, PaddedTargets, pad_targets
from instructsam.processing.processor import Sample
from instructsam.structures.outputs import PhraseTarget
from instructsam.training.auxiliary.query_readout import WEIGHTS, detected_phrases, predict, readout_losses
from instructsam.training.settings import RunConfig
from tests.reference import assert_near
from tests.tiny import picture, tiny_pair
from tests.training.conftest import run, tiny


def target(*boxes: tuple[float, float, float, float]) -> PhraseTarget:
    return PhraseTarget(torch.ones(len(boxes), 4, 4), torch.tensor(boxes).reshape(-1, 4))


def padded(*targets: PhraseTarget) -> PaddedTargets:
    return pad_targets(targets, (4, 4), torch.device("cpu"))


def test_a_perfect_readout_costs_nothing() -> None:
    boxes = torch.tensor([[[0.2, 0.2, 0.1, 0.1], [0.7, 0.6, 0.2, 0.3], [0.5, 0.5, 0.9, 0.9]]])
    logits = torch.tensor([[30.0, 30.0, -30.0]])
    wanted = padded(target((0.7, 0.6, 0.2, 0.3), (0.2, 0.2, 0.1, 0.1)))  # in another order
    losses = readout_losses(boxes, logits, wanted, 2, 1)
    assert sum(losses.values()) < 1e-4
    wrong = readout_losses(boxes, torch.tensor([[-5.0, 5.0, 5.0]]), wanted, 2, 1)
    assert WEIGHTS["score"] * wrong["score"] > 30
    assert wrong["l1"] < 1e-4  # boxes decide more than scores about the matching


def test_a_point_takes_the_nearest_query_and_trains_no_box() -> None:
    boxes = torch.tensor([[[0.2, 0.2, 0.1, 0.1], [0.7, 0.6, 0.2, 0.3]]], requires_grad=True)
    logits = torch.zeros(1, 2, requires_grad=True)
    wanted = replace(padded(target((0.68, 0.6, 0.01, 0.01))), known=torch.tensor([[POINT]], dtype=torch.int8))
    losses = readout_losses(boxes, logits, wanted, 1, 1)
    sum(losses.values()).backward()
    assert not boxes.grad.any()
    assert (logits.grad < 0).tolist() == [[False, True]]


def test_a_phrase_without_target_trains_its_scores_alone() -> None:
    boxes, logits = torch.full((1, 3, 4), 0.5), torch.zeros(1, 3, requires_grad=True)
    losses = readout_losses(boxes, logits, padded(target()), 1, 1)
    assert losses["l1"] == losses["giou"] == 0
    losses["score"].backward()
    assert (logits.grad > 0).all()


def test_more_targets_than_queries_and_a_batch_of_both() -> None:
    linear = torch.nn.Linear(8, 5)
    boxes, logits = predict(linear, torch.randn(2, 2, 8), torch.full((2, 4), 0.5))
    many = target(*((x / 10, 0.5, 0.1, 0.1) for x in range(1, 6)))
    losses = readout_losses(boxes, logits, padded(target(), many), 5, 2)
    sum(losses.values()).backward()
    assert linear.weight.grad.abs().sum() > 0


def test_divisors_make_unequal_parts_equal_one_batch() -> None:
    boxes, logits = torch.rand(3, 2, 4) * 0.4 + 0.1, torch.randn(3, 2)
    wanted = padded(
        target((0.7, 0.6, 0.2, 0.3), (0.2, 0.2, 0.1, 0.1)), target(), target((0.5, 0.5, 0.2, 0.2))
    )
    whole = readout_losses(boxes, logits, wanted, 3, 3)
    first, rest = (
        readout_losses(boxes[part], logits[part], wanted.select(part), 3 / 2, 3 / 2) for part in ([0], [1, 2])
    )
    for name, loss in whole.items():
        torch.testing.assert_close((first[name] + rest[name]) / 2, loss)


def test_the_share_is_a_function_of_the_position() -> None:
    assert detected_phrases(7, 1.0, (1, 2, 0)) is None
    chosen = detected_phrases(20, 0.5, (1, 2, 0))
    assert chosen is not None
    assert len(set(chosen.tolist())) == 10
    assert chosen.tolist() == sorted(chosen.tolist())
    again, other = detected_phrases(20, 0.5, (1, 2, 0)), detected_phrases(20, 0.5, (1, 3, 0))
    assert again is not None
    assert other is not None
    assert torch.equal(chosen, again)
    assert not torch.equal(chosen, other)
    fewest = detected_phrases(3, 0.01, (0, 0, 0))
    assert fewest is not None
    assert len(fewest) == 1


@torch.no_grad()
def test_some_phrases_are_answered_as_all_are() -> None:
    model, processor = tiny_pair()
    samples = [Sample(0, "a and b", ("mug", "kite")), Sample(1, "the snail", ("snail",))]
    inputs = processor.encode([picture(), picture(1)], samples).as_kwargs()
    whole, part = model(**inputs), model(**inputs, detected=torch.tensor([0, 2]))
    assert_near(part.mask_logits, whole.mask_logits[[0, 2]], 1e-4)
    assert_near(part.score_logits, whole.score_logits[[0, 2]], 1e-4)
    assert part.phrase_sample.tolist() == [0, 1]
    assert part.query_states.shape[0] == 3


def test_a_run_reads_out_all_phrases_and_detects_some(tmp_path: Path) -> None:
    changes = ("loss.objectives.query_readout=1.0", "loss.detected_fraction=0.5", "schedule.total_steps=2")
    folder = run(None, tiny(tmp_path, *changes))
    assert '"readout_giou"' in (tmp_path / "log.jsonl").read_text()
    assert not any("probe" in path.name for path in folder.iterdir())
    assert (tmp_path / "probes.safetensors").is_file()


@pytest.mark.parametrize(
    "change", ["loss.objectives.query_readout=-1", "loss.detected_fraction=0.0", "loss.detected_fraction=0.5"]
)
def test_settings_that_make_no_sense(change: str) -> None:
    with pytest.raises(ConfigError, match="loss"):
        load_config(RunConfig, None, [change])
