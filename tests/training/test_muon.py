"""Our Muon against torch's."""

from __future__ import annotations

import torch
from torch import nn

from instructsam.training.muon import Muon, newton_schulz, orthogonal
from tests.reference import assert_near

SHAPES = ((24, 24), (24, 24), (48, 24), (24, 72), (24, 24))


def test_it_moves_as_torch_does() -> None:
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    theirs = [nn.Parameter(parameter.detach().clone()) for parameter in ours]
    mine = Muon([{"params": ours[:3]}, {"params": ours[3:], "weight_decay": 0.0}], lr=0.02)
    torchs = torch.optim.Muon(
        [{"params": theirs[:3]}, {"params": theirs[3:], "weight_decay": 0.0}],
        lr=0.02,
        adjust_lr_fn="match_rms_adamw",
    )
    for _ in range(4):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        mine.step()
        torchs.step()
    for one, other in zip(ours, theirs, strict=True):
        assert_near(one.detach(), other.detach(), 5e-3)


def test_a_parameter_without_gradient_stays() -> None:
    still, moved = nn.Parameter(torch.ones(16, 16)), nn.Parameter(torch.ones(16, 16))
    moved.grad = torch.randn(16, 16)
    Muon([still, moved], lr=0.1).step()
    assert torch.equal(still, torch.ones(16, 16))
    assert not torch.equal(moved, torch.ones(16, 16))


def test_directions_become_orthogonal() -> None:
    torch.manual_seed(1)
    for shape in SHAPES:
        singular = torch.linalg.svdvals(newton_schulz(torch.randn(1, *shape))[0].float())
        assert singular.min() > 0.5
        assert singular.max() < 1.4


def test_nothing_to_do() -> None:
    assert orthogonal([]) == []
