from __future__ import annotations

import pytest
import torch
from torch import nn

from instructsam.training.ema import start_average, update_average


def test_the_average_follows_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    average = start_average(model)
    expected = 1.0
    for update, value in enumerate([3.0, -2.0, 5.0]):
        with torch.no_grad():
            model.weight.fill_(value)
        decay = min(0.15, (1 + update) / (10 + update))
        update_average(average, model, 0.15)
        expected = decay * expected + (1 - decay) * value
        assert average.module.weight.item() == pytest.approx(expected)
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
    average = start_average(model)
    before = model.embed.weight.detach().clone()
    model.norm.running_mean.fill_(7.0)
    update_average(average, model, 0.9)
    state = average.module.state_dict(keep_vars=True)
    assert state.keys() == model.state_dict().keys()
    assert torch.equal(state["head.weight"], before)
    assert state["head.weight"] is state["embed.weight"]
    assert state["norm.running_mean"].tolist() == [7.0, 7.0]
