from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from instructsam.errors import ConfigError
from instructsam.training import state_tensors
from instructsam.training.optim import (
    MuonWithAdamW,
    build_optimizer,
    learning_rate_factor,
    set_learning_rate,
)
from instructsam.training.settings import OptimSettings


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.bank = nn.Parameter(torch.ones(3, 4))
        self.norm = nn.LayerNorm(4)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        self.head = nn.Linear(4, 2)


def test_warm_up_rises_in_a_line_and_cosine_falls_to_the_final_fraction() -> None:
    settings = OptimSettings(warmup_steps=10, final_fraction=0.1)
    factors = [learning_rate_factor(step, 110, settings) for step in range(140)]
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[9] == pytest.approx(10 / 11)
    assert factors[10] == 1.0
    assert factors[60] == pytest.approx(0.55)
    assert factors[110] == pytest.approx(0.1)
    assert factors[139] == pytest.approx(0.1)
    assert all(a > b for a, b in pairwise(factors[10:111]))


def test_linear_tail_holds_then_falls() -> None:
    settings = OptimSettings(warmup_steps=0, decay="linear_tail", tail=0.25, final_fraction=0.0)
    factors = [learning_rate_factor(step, 100, settings) for step in range(101)]
    assert factors[:76] == [1.0] * 76
    assert factors[88] == pytest.approx(12 / 25)
    assert factors[100] == 0.0


def test_no_decay_holds() -> None:
    settings = OptimSettings(warmup_steps=1, decay="none")
    assert [learning_rate_factor(step, 3, settings) for step in range(5)] == [0.5, 1.0, 1.0, 1.0, 1.0]


def test_only_weights_of_layers_decay() -> None:
    model = Toy()
    optimizer = build_optimizer(model, OptimSettings(weight_decay=0.3))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    decayed = {name for name, parameter in model.named_parameters() if decay[id(parameter)]}
    assert decayed == {"body.0.weight", "body.1.weight", "head.weight"}
    assert len(decay) == len(list(model.parameters()))


def test_the_longest_prefix_gives_the_multiplier() -> None:
    model = Toy()
    settings = OptimSettings(lr=1.0, warmup_steps=0, lr_multipliers={"body": 0.5, "body.1": 0.1})
    optimizer = build_optimizer(model, settings)
    assert set_learning_rate(optimizer, 0, 10, settings) == 1.0
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    rates = {name: rate[id(parameter)] for name, parameter in model.named_parameters()}
    assert rates["body.0.weight"] == rates["body.0.bias"] == 0.5
    assert rates["body.1.weight"] == pytest.approx(0.1)
    assert rates["head.weight"] == 1.0


def test_an_unknown_prefix_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no trainable parameter starts with 'vml'.*bank, body, embed"):
        build_optimizer(Toy(), OptimSettings(lr_multipliers={"vml": 0.1}))


def test_new_probes_learn_faster_at_first() -> None:
    model = nn.Module()
    model.body = nn.Linear(4, 4)
    model.objectives = nn.ModuleDict({"one": nn.Linear(4, 2), "other": nn.Linear(4, 2)})
    settings = OptimSettings(lr=1.0, warmup_steps=0, decay="none")

    def rates(step: int, new: tuple[str, ...], settings: OptimSettings = settings) -> dict[str, float]:
        optimizer = build_optimizer(model, settings)
        assert set_learning_rate(optimizer, step, 1000, settings, new) == 1.0
        rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
        return {name: rate[id(p)] for name, p in model.named_parameters() if name.endswith("weight")}

    assert rates(0, ()) == dict.fromkeys(
        ("body.weight", "objectives.one.weight", "objectives.other.weight"), 1.0
    )
    assert rates(99, ("one",)) == {
        "body.weight": 1.0, "objectives.one.weight": 10.0, "objectives.other.weight": 1.0,
    }  # fmt: skip
    assert rates(150, ("one",))["objectives.one.weight"] == pytest.approx(5.5)
    assert rates(200, ("one",))["objectives.one.weight"] == 1.0
    off = settings.model_copy(update={"new_probe_multiplier": 1.0})
    assert rates(0, ("one",), off)["objectives.one.weight"] == 1.0
    chosen = settings.model_copy(update={"lr_multipliers": {"objectives.one": 3.0}})
    assert rates(0, ("one",), chosen)["objectives.one.weight"] == 3.0, "the configuration replaces the rule"


class Hidden(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.body = nn.Sequential(nn.Linear(16, 24), nn.Linear(24, 16))
        self.narrow = nn.Linear(16, 4)
        self.lm_head = nn.Linear(16, 20)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden = self.body(self.embed(ids))
        return self.lm_head(hidden).square().mean() + self.narrow(hidden).square().mean()  # type: ignore[no-any-return]


def hidden_and_optimizer() -> tuple[Hidden, MuonWithAdamW]:
    torch.manual_seed(0)
    model = Hidden()
    settings = OptimSettings(lr=1e-3, muon_lr=2e-3, warmup_steps=0, lr_multipliers={"body.1": 0.5})
    optimizer = build_optimizer(model, settings)
    assert isinstance(optimizer, MuonWithAdamW)
    assert set_learning_rate(optimizer, 0, 10, settings) == 1e-3
    return model, optimizer


def steps(model: Hidden, optimizer: torch.optim.Optimizer, count: int) -> None:
    for number in range(count):
        optimizer.zero_grad()
        model(torch.arange(number, number + 8)).backward()
        optimizer.step()


def test_muon_takes_the_matrices_of_hidden_layers_only() -> None:
    model, optimizer = hidden_and_optimizer()
    muon = optimizer.parts[0].param_groups
    rates = {id(p): group["lr"] for group in muon for p in group["params"]}
    names = {name: rates[id(p)] for name, p in model.named_parameters() if id(p) in rates}
    assert names == {"body.0.weight": 2e-3, "body.1.weight": 1e-3}
    steps(model, optimizer, 1)
    for name, parameter in model.named_parameters():
        assert ("momentum_buffer" in optimizer.state[parameter]) == (name in names), name


def test_muon_moves_every_direction_of_a_matrix_alike() -> None:
    model, optimizer = hidden_and_optimizer()
    before = model.body[0].weight.detach().clone()
    steps(model, optimizer, 1)
    moved = torch.linalg.svdvals(model.body[0].weight.detach() - before * (1 - 2e-3 * 0.05))
    scale = 2e-3 * 0.2 * 24**0.5
    rank = 8  # of the gradient: eight rows went in
    assert 0.5 * scale < moved[rank - 1]
    assert moved[0] < 1.5 * scale


def test_two_optimizers_resume_as_one() -> None:
    whole, optimizer = hidden_and_optimizer()
    steps(whole, optimizer, 2)
    resumed, other = hidden_and_optimizer()
    resumed.load_state_dict(whole.state_dict())
    saved = state_tensors.optimizer_tensors(optimizer, whole)
    state_tensors.load_optimizer_tensors(other, resumed, {k: v.clone() for k, v in saved.items()})
    steps(whole, optimizer, 2)
    steps(resumed, other, 2)
    for (name, one), two in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, two), name


def test_a_negative_muon_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"muon_lr must lie in \[0, 100\], got -1"):
        OptimSettings(muon_lr=-1)
