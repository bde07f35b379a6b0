"""Runs with adapters and frozen parts that are killed, or whose disk is full: nothing is lost or half written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

import instructsam
from instructsam.errors import InstructSAMError
from instructsam.training import checkpointing, run_state
from instructsam.training.export import CHECKPOINTS, LAST
from instructsam.training.lora import ADAPTER
from tests.training.conftest import run, tiny
from tests.training.test_killed_runs import Killed, kill_before

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
STEPS = 2


def settings(folder: Path, base: Path) -> list[str]:
    kept = [one for one in tiny(folder) if not one.startswith(("model.", "data.images"))]
    more = (
        "lora.rank=2",
        "parts.detector_vision=freeze",
        "data.images_per_batch=1",
        "schedule.keep_checkpoints=1",
    )
    length = (f"schedule.total_steps={STEPS}", "schedule.checkpoint_minutes=0")
    return [*kept, f"model.path={base}", *more, *length]


def left(folder: Path) -> dict[str, torch.Tensor]:
    """Everything that a finished run leaves."""
    latest = checkpointing.latest_checkpoint(folder / CHECKPOINTS)
    assert latest is not None
    files = [folder / LAST / "model.safetensors", folder / ADAPTER / "adapter_model.safetensors"]
    return {
        f"{file.name} {key}": tensor
        for file in (*files, *latest.glob("*.safetensors"))
        for key, tensor in load_file(file).items()
    }


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], int]:
    """What an unbroken run leaves, and how often it renames."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    count, plain = 0, os.replace

    def counted(*arguments: Any) -> None:
        nonlocal count
        count += 1
        plain(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", counted)
        run(None, settings(folder, base))
    return left(folder), count


ALL = range(18)
FEW = (5, 9)


@pytest.mark.parametrize(
    "number", [*FEW, *(pytest.param(n, marks=pytest.mark.slow) for n in ALL if n not in FEW)]
)
def test_a_kill_at_any_rename_loses_nothing(
    number: int,
    whole: tuple[dict[str, torch.Tensor], int],
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected, count = whole
    assert count <= len(ALL)
    with monkeypatch.context() as patch:
        kill_before(patch, number)
        if number < count:
            with pytest.raises(Killed):
                run(None, settings(tmp_path, base))
        else:
            run(None, settings(tmp_path, base))
    latest = checkpointing.latest_checkpoint(tmp_path / CHECKPOINTS)
    if latest is not None:
        checkpointing.read_checkpoint(latest)
    if number < count or latest is None:
        run(None, settings(tmp_path, base), resume=latest is not None)
    found = left(tmp_path)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in found)
    assert not list(tmp_path.glob(".writing-*")) + list(tmp_path.glob(".old-*"))


def test_a_full_disk_keeps_the_last_checkpoint_and_says_what_to_do(
    whole: tuple[dict[str, torch.Tensor], int], base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, calls = run_state.save_adapter, 0

    def full(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")
        plain(*arguments)

    monkeypatch.setattr(run_state, "save_adapter", full)
    with pytest.raises(InstructSAMError, match=r"step 2: .* cannot be written \(No space left.*make room"):
        run(None, settings(tmp_path, base))
    assert instructsam.load(tmp_path / ADAPTER).model is not None, "the adapter of step 1"
    run(None, settings(tmp_path, base), resume=True)
    found = left(tmp_path)
    assert all(torch.equal(found[key], tensor) for key, tensor in whole[0].items())


def test_a_gradient_that_is_not_finite_saves_nothing(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Accelerator.clip_grad_norm_

    def spoiled(self: Accelerator, parameters: Any, limit: float) -> torch.Tensor:
        return plain(self, parameters, limit) * float("nan")

    monkeypatch.setattr(Accelerator, "clip_grad_norm_", spoiled)
    with pytest.raises(InstructSAMError, match=r"step 0: loss or gradient is not finite"):
        run(None, settings(tmp_path, base))
    assert checkpointing.latest_checkpoint(tmp_path / CHECKPOINTS) is None
    assert not (tmp_path / ADAPTER).exists()
