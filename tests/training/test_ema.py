from __future__ import annotations

import pytest
import torch
from torch import nn

from instructsam.training.ema import Average


def test_the_average_follows_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    average = Average(model)
    expected = 1.0
    for update, value in enumerate([3.0, -2.0, 5.0]):
        with torch.no_grad():
            model.weight.fill_(value)
        decay = min(0.15, (1 + update) / (10 + update))
        average.update(model, 0.15)
        expected = decay * expected + (1 - decay) * value
        assert average.tensors["weight"].item() == pytest.approx(expected)
    assert model.weight.item() == 5.0


def test_the_averaged_model_keeps_tied_names_and_copies_buffers() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(3, 2)
            self.head = nn.Linear(2, 3, bias=False)
            self.head.weight = self.embed.weight
            self.norm = nn.BatchNorm1d(2)

    model = Tied()
    average = Average(model)
    before = model.embed.weight.detach().clone()
    model.norm.running_mean.fill_(7.0)
    average.update(model, 0.9)
    state = average.state(model)
    assert state.keys() == model.state_dict().keys()
    assert torch.equal(state["head.weight"], before)
    assert state["head.weight"] is state["embed.weight"]
    assert state["norm.running_mean"].tolist() == [7.0, 7.0]


def test_frozen_weights_are_not_copied() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    average = Average(model)
    assert average.tensors.keys() == {"1.weight", "1.bias"}
    assert average.state(model)["0.weight"] is model[0].weight
