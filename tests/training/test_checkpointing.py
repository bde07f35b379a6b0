from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from instructsam.errors import CheckpointError
from instructsam.training import checkpointing, state_tensors
from instructsam.training.random_state import random_state, set_random_state


def write(root: Path, step: int, keep: int = 2) -> Path:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    folder = checkpointing.begin_checkpoint(root, step)
    checkpointing.write_tensors(folder, "model", state_tensors.model_tensors(model))
    checkpointing.write_tensors(folder, "optimizer", state_tensors.optimizer_tensors(optimizer, model))
    checkpointing.write_rng(folder, 0)
    return checkpointing.finish_checkpoint(root, step, {"step": step}, keep)


def test_the_newest_by_step_is_the_latest_and_old_ones_go(tmp_path: Path) -> None:
    assert checkpointing.latest_checkpoint(tmp_path / "nowhere") is None
    for step in (9, 10, 100):
        write(tmp_path, step)
    assert checkpointing.latest_checkpoint(tmp_path) == checkpointing.checkpoint_folder(tmp_path, 100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000010", "step-00000100"]


def test_an_unfinished_checkpoint_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, 1)
    checkpointing.begin_checkpoint(tmp_path, 2)
    latest = checkpointing.latest_checkpoint(tmp_path)
    assert latest is not None
    assert latest.name == "step-00000001"


def test_only_safetensors_and_json_are_written(tmp_path: Path) -> None:
    folder = write(tmp_path, 1)
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json"}


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "rng-0.json", "state.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path, name: str, damage: str) -> None:
    folder = write(tmp_path, 1)
    path = folder / name
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 0x80
        path.write_bytes(data)
    with pytest.raises(CheckpointError, match=f"damaged: {name} .*; delete it") as caught:
        checkpointing.read_checkpoint(folder)
    assert "\n" not in str(caught.value)


def test_what_a_killed_process_left_is_removed_and_a_step_can_be_saved_again(tmp_path: Path) -> None:
    stale = checkpointing.begin_checkpoint(tmp_path, 7)
    (stale / "model.safetensors").write_bytes(b"half")
    first, again = write(tmp_path, 8), write(tmp_path, 8)
    assert first == again
    checkpointing.read_checkpoint(again)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000008"]


def test_a_list_without_files_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, 1)
    (folder / "state.json").write_text(json.dumps({"format": checkpointing.FORMAT}))
    with pytest.raises(CheckpointError, match=r"state.json lists no files"):
        checkpointing.read_checkpoint(folder)


def test_another_format_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, 1)
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**state, "format": 99}))
    with pytest.raises(CheckpointError, match="has format 99, expected 2"):
        checkpointing.read_checkpoint(folder)


def test_the_optimiser_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    def steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            model(torch.ones(1, 2)).pow(2).sum().backward()
            optimizer.step()

    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    steps(model, optimizer, 3)
    copy = nn.Linear(2, 2)
    copy.load_state_dict(model.state_dict())
    resumed = torch.optim.AdamW(copy.parameters(), lr=0.1)
    tensors = state_tensors.optimizer_tensors(optimizer, model)
    state_tensors.load_optimizer_tensors(resumed, copy, {k: v.clone() for k, v in tensors.items()})
    steps(model, optimizer, 3)
    steps(copy, resumed, 3)
    assert torch.equal(model.weight, copy.weight)


def test_another_model_is_refused() -> None:
    model, other = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(
        CheckpointError, match=r"another model: 2 tensors missing \(0.bias, 0.weight\), 2 unknown"
    ):
        state_tensors.copy_tensors(
            state_tensors.model_tensors(model), state_tensors.model_tensors(other), "model"
        )
    with pytest.raises(CheckpointError, match=r"shape \(2, 2\) for weight, expected \(2, 3\)"):
        state_tensors.copy_tensors(
            state_tensors.model_tensors(model), state_tensors.model_tensors(nn.Linear(3, 2)), "model"
        )


def test_random_numbers_go_on(tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return random.gauss(0, 1), float(np.random.standard_normal()), float(torch.randn(()))

    draw()
    state = json.loads(json.dumps(random_state()))
    expected = [draw() for _ in range(3)]
    draw()
    set_random_state(state)
    assert [draw() for _ in range(3)] == expected
