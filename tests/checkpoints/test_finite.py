"""Weights that are NaN or infinite are refused when a model is loaded, by name and file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from instructsam.checkpoints.finite import non_finite, require_finite_files
from instructsam.checkpoints.opening import load_model
from instructsam.errors import CheckpointError
from instructsam.inference.loading import load
from tests.published import publish

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_one_value_in_many_is_found(value: float, dtype: torch.dtype) -> None:
    tensor = torch.full((997,), 6e4 if dtype == torch.float16 else 1e30, dtype=dtype)
    assert non_finite({"a": tensor}) == []
    tensor[500] = value
    assert non_finite({"a": tensor, "b": torch.ones(3), "c": torch.zeros(0), "d": torch.ones(2).int()}) == [
        "a"
    ]
    assert non_finite({}) == []


@pytest.mark.parametrize("value", [NAN, INF])
def test_damaged_weights_are_refused_by_name_and_file(tmp_path: Path, value: float) -> None:
    publish(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.mask_queries"][1, 2] = value
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        CheckpointError, match=r"NaN or infinite .*instance_queries\.weight in model\.safetensors"
    ):
        load(tmp_path, device="cpu")
    with pytest.raises(CheckpointError, match=r"model\.mask_queries has NaN or infinite values"):
        require_finite_files([tmp_path / "model.safetensors"])


def test_a_number_format_that_is_too_narrow_is_said_to_be(tmp_path: Path) -> None:
    publish(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.mask_queries"][1, 2] = 1e6
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="out of the range of float16: load with another dtype"):
        load_model(tmp_path, torch.float16)
    load_model(tmp_path, torch.float32)
