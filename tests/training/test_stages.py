"""Stages after one another in time boxes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from instructsam.errors import ConfigError
from instructsam.experiments.sources import open_source
from instructsam.training import stages as stages_module
from instructsam.training.checkpointing import latest_step
from instructsam.training.stages import train_stages
from tests.training.conftest import tiny


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two stages of two steps; the second starts from the first one's model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vision.yaml").write_text("name: vision\nstage: vision\n")
    (tmp_path / "all.yaml").write_text("name: all\nmodel: {path: runs/vision/model}\n")
    return [tmp_path / "vision.yaml", tmp_path / "all.yaml"]


def common(tmp_path: Path) -> list[str]:
    """The tiny settings that suit every stage."""
    kept = ("data.", "schedule.", "device")
    changes = [one for one in tiny(tmp_path) if one.startswith(kept)]
    return [*changes, "schedule.total_steps=2"]


def test_stages_follow_one_another_and_finished_ones_are_passed_over(
    stages: list[Path], tmp_path: Path
) -> None:
    changes = common(tmp_path)
    first = [*changes, *(one for one in tiny(tmp_path) if one.startswith("model."))]
    train_stages(stages[:1], open_source, first, True)
    assert latest_step(tmp_path / "runs/vision/checkpoints") == 2
    before = (tmp_path / "runs/vision/log.jsonl").read_text()
    assert train_stages(stages, open_source, changes, True) == Path("runs/all/last")
    assert (tmp_path / "runs/vision/log.jsonl").read_text() == before
    assert (tmp_path / "runs/all/model/model.safetensors").is_file()
    assert train_stages(stages, open_source, changes, True) == Path("runs/all/last")
    lines = (tmp_path / "runs/all/log.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 2


def test_a_time_box_stops_inside_a_stage(
    stages: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages_module, "LEAST_MINUTES", 0.01)
    changes = [*common(tmp_path), *(one for one in tiny(tmp_path) if one.startswith("model."))]
    changes = [one for one in changes if not one.startswith("schedule.total_steps")]
    train_stages(stages, open_source, [*changes, "schedule.total_steps=100000"], True, max_minutes=0.02)
    assert latest_step(tmp_path / "runs/vision/checkpoints")
    assert not (tmp_path / "runs/all").exists()


def test_the_first_stage_has_its_go_in_the_smallest_box(
    stages: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(
        stages_module, "run", lambda _config, _source, overrides, *_: given.append(overrides) or tmp_path
    )
    train_stages(stages, open_source, common(tmp_path), True, max_minutes=1e-6)
    assert [overrides[-1] for overrides in given] == ["schedule.max_minutes=0.001"], (
        "0 would be no box at all"
    )


def test_processes_stop_together(stages: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_reduce(tensor: torch.Tensor, kind: object) -> None:
        assert kind is torch.distributed.ReduceOp.MIN
        tensor.clamp_(max=0.1)  # of another process, a little later

    trained: list[Path] = []
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: bool(trained))
    monkeypatch.setattr(torch.distributed, "get_backend", lambda: "gloo")
    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    monkeypatch.setattr(stages_module, "run", lambda config, *_: trained.append(config) or tmp_path)
    monkeypatch.setattr(stages_module, "is_finished", lambda _: bool(trained))
    train_stages(stages, open_source, common(tmp_path), False, max_minutes=5.0)
    assert trained == stages[:1]


def test_two_stages_in_one_folder_are_refused(stages: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="own name"):
        train_stages([stages[0], stages[0]], open_source, common(tmp_path), True)
