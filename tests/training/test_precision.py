"""Number format and attention kernel follow the device where the settings leave them open."""

from __future__ import annotations

import pytest
import torch

from instructsam.training import precision
from instructsam.training.muon import newton_schulz
from instructsam.training.precision import attention_kernel, has_fast_bfloat16, uses_bfloat16
from instructsam.training.settings import RunConfig

CPU = torch.device("cpu")


@pytest.mark.parametrize("fast", [False, True])
def test_auto_takes_bfloat16_only_where_it_pays(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in precision._CPU_CHECKS:
        monkeypatch.setattr(torch.cpu, name, lambda: fast, raising=False)
    assert has_fast_bfloat16(CPU) is fast
    assert has_fast_bfloat16(torch.device("cuda"))
    config = RunConfig(device="cpu")
    assert uses_bfloat16(config, CPU) is fast
    assert attention_kernel(config) == ("eager" if fast else "sdpa")
    assert uses_bfloat16(RunConfig(device="cpu", precision="bfloat16"), CPU)
    assert not uses_bfloat16(RunConfig(device="cpu", precision="float32"), CPU)
    assert attention_kernel(RunConfig(device="cpu", precision="float32")) == "sdpa"
    assert attention_kernel(RunConfig(device="cpu", attention="eager")) == "eager"
    made = newton_schulz(torch.randn(2, 8, 24, generator=torch.Generator().manual_seed(0)))
    assert made.dtype == torch.bfloat16
    assert torch.linalg.matrix_norm(made.float(), ord=2).max() < 1.5


def test_a_torch_without_the_checks_counts_as_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in precision._CPU_CHECKS:
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert not has_fast_bfloat16(CPU)
