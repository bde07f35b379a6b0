"""Our Muon against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import distributed as dist
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


def test_more_processes_than_matrices_of_a_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    matrices = [torch.randn(24, 24), torch.randn(24, 24), torch.randn(48, 24)]
    alone = orthogonal(matrices)
    sent: dict[int, torch.Tensor] = {}
    rank = 0

    def all_gather(gathered: list[torch.Tensor], own: torch.Tensor) -> None:
        sent[rank] = own
        for number, tensor in sent.items():
            gathered[number].copy_(tensor)

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    monkeypatch.setattr(dist, "get_rank", lambda: rank)
    monkeypatch.setattr(dist, "all_gather", all_gather)
    for turn in range(2):  # in the second round every process finds what the others have sent in the first
        for number in range(4):
            rank = number
            together = orthogonal(matrices)
            if turn == 1:
                for one, other in zip(together, alone, strict=True):
                    assert_near(one, other, 1e-2)
    assert not sent[3].any(), "nothing was left for the last one"


def test_nothing_to_do() -> None:
    assert orthogonal([]) == []
