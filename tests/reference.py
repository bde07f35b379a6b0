"""Recorded tensors that an independent implementation produced; tests that need them skip where they are absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference"
needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the recorded reference tensors are not here"
)


def tensors(name: str) -> dict[str, Tensor]:
    """All tensors of one recorded case, e.g. `n5/teacher_forced`."""
    from safetensors.torch import load_file

    return load_file(REFERENCE / f"{name}.safetensors")


def fields(name: str) -> dict[str, Any]:
    """The description of one recorded case."""
    loaded: dict[str, Any] = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def assert_near(actual: Tensor, expected: Tensor, tolerance: float = 2e-4) -> None:
    """Largest difference relative to the largest expected value, as the recording's README asks."""
    assert actual.shape == expected.shape, f"{tuple(actual.shape)} against {tuple(expected.shape)}"
    scale = expected.abs().max().clamp(min=1e-12)
    worst = ((actual - expected).abs().max() / scale).item()
    assert worst <= tolerance, f"relative difference {worst:.2e} > {tolerance:.0e}"


def published_model(attn_implementation: str = "sdpa") -> Any:
    """The small published-layout model of the recordings, in eval mode."""
    from instructsam.checkpoints.published_layout import config_from_published, map_published_name
    from instructsam.model.instructsam import InstructSAMModel

    config = config_from_published(fields("n5/config"))
    model = InstructSAMModel._from_config(config, attn_implementation=attn_implementation)
    ours = {map_published_name(name): tensor for name, tensor in tensors("n5/model").items()}
    ours.pop(None, None)  # tensors that the forward pass does not use
    missing, unexpected = model.load_state_dict(ours, strict=False)
    assert [*missing, *unexpected] == []
    return model.eval().requires_grad_(False).to(torch.float32)
