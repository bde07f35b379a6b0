"""Runs that are killed at any moment: resumed, they end with exactly the weights of an unbroken run."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from instructsam.config import load_config
from instructsam.errors import CheckpointError, ConfigError
from instructsam.experiments.sources import open_source
from instructsam.training import checkpointing, export
from instructsam.training.export import CHECKPOINTS, LAST, export_is_current, require_current
from instructsam.training.run_state import RunState
from instructsam.training.settings import RunConfig
from instructsam.training.stages import train_stages
from instructsam.training.start import check_start
from instructsam.training.trainer import Trainer
from tests.training.conftest import run, tiny

SCRIPT = Path(__file__).with_name("killed_run.py")
SHORT = (
    "schedule.total_steps=2",
    "schedule.checkpoint_minutes=0",
    "schedule.keep_checkpoints=1",
    "loss.objectives.dense_classes=1",
)


class Killed(BaseException):
    """No handler of errors catches it, like a kill."""


def kill_before(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """End at `os.replace` number `number` from now on."""
    plain, count = os.replace, 0

    def replace(*arguments: Any) -> None:
        nonlocal count
        if count == number:
            raise Killed
        count += 1
        plain(*arguments)

    monkeypatch.setattr(os, "replace", replace)


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Everything that a finished run leaves: the export, its probes, and the newest checkpoint."""
    latest = checkpointing.latest_checkpoint(folder / CHECKPOINTS)
    assert latest is not None
    files = [
        folder / LAST / "model.safetensors",
        folder / "probes.safetensors",
        *latest.glob("*.safetensors"),
    ]
    return {
        f"{file.name} {key}": value
        for file in files
        if file.exists()
        for key, value in load_file(file).items()
    }


def assert_same(one: Path, other: Path) -> None:
    """Two runs ended alike, to the last bit."""
    left, right = tensors(one), tensors(other)
    assert left.keys() == right.keys()
    different = [name for name in left if not torch.equal(left[name], right[name])]
    assert not different


def resume(overrides: list[str], folder: Path) -> None:
    """Continue where there is a checkpoint, start again where there is none."""
    run(None, overrides, resume=checkpointing.latest_step(folder / CHECKPOINTS) is not None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unbroken run of two steps."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    run(None, tiny(folder, *SHORT))
    return folder


# The renames of a run of two steps: 0 config.yaml, 1 state.json, 2 the checkpoint, 3 probes, 4 the export; then
# 5 state.json, 6 the checkpoint, 7 the old one that goes, 8 probes, 9 the old export, 10 the export.
RENAMES, FEW = range(11), (3, 9)
ALL = tuple(number for number in RENAMES if number not in FEW)


@pytest.mark.parametrize("number", [*FEW, *(pytest.param(number, marks=pytest.mark.slow) for number in ALL)])
def test_a_kill_at_any_rename_loses_nothing(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    overrides = tiny(tmp_path, *SHORT)
    with monkeypatch.context() as patch:
        kill_before(patch, number)
        with pytest.raises(Killed):
            run(None, overrides)
    resume(overrides, tmp_path)
    assert export_is_current(tmp_path)
    assert_same(whole, tmp_path)
    left = [path.name for path in tmp_path.rglob(".*") if path.name != ".instructsam.lock"]
    assert not left


def test_a_stage_after_a_kill_does_not_start_from_old_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.yaml").write_text(
        "name: first\nmodel: {preset: tiny, vocab_size: 400, tokenizer_texts: 300}\n"
    )
    (tmp_path / "second.yaml").write_text("name: second\nmodel: {path: runs/first/model}\n")
    stages = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    kept = ("data.", "device", "schedule.")
    changes = [one for one in tiny(tmp_path) if one.startswith(kept)]
    changes += ["schedule.total_steps=2", "schedule.checkpoint_minutes=0"]
    with monkeypatch.context() as patch:
        plain = RunState.export

        def export(self: RunState) -> None:
            if self.step == 2:
                raise Killed
            plain(self)

        patch.setattr(RunState, "export", export)
        with pytest.raises(Killed):
            run(stages[0], changes)
    first = Path("runs/first")
    assert checkpointing.latest_step(first / CHECKPOINTS) == 2
    assert not export_is_current(first)
    with pytest.raises(
        ConfigError, match=r"model.path: runs/first/model is older than the last checkpoint of its run"
    ):
        run(stages[1], changes)
    assert not Path("runs/second").exists() or not Path("runs/second/checkpoints").exists()
    train_stages(stages, open_source, changes, resume=True)
    assert "exporting step 2 again" in capsys.readouterr().err
    assert export_is_current(first)
    assert export_is_current(Path("runs/second"))


def test_a_model_to_start_from_is_compared_with_its_run(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINTS / "step-00000001").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"model.init_from: .*last is older than"):
        require_current(str(tmp_path / LAST), "model.init_from")
    require_current(str(tmp_path / "elsewhere" / LAST), "model.path")  # no run beside it
    (tmp_path / LAST).mkdir()
    require_current(str(tmp_path / LAST), "model.path")  # exported by an earlier version, without a record


def test_a_model_of_an_earlier_version_is_current_beside_its_checkpoints(stopped: Path) -> None:
    state = checkpointing.checkpoint_folder(stopped / CHECKPOINTS, 1) / "state.json"
    fields = json.loads(state.read_text())
    state.write_text(json.dumps({**fields, "format": 1, "meta": {"step": fields["step"]}}))
    record = {"step": fields["step"], "checkpoint": hashlib.sha256(state.read_bytes()).hexdigest()}
    (stopped / LAST / "training.json").write_text(json.dumps(record))
    require_current(str(stopped / LAST), "model.path")
    assert export_is_current(stopped)
    with pytest.raises(CheckpointError, match="resume it with the version that wrote it"):
        run(None, tiny(stopped), resume=True)


def test_a_loss_without_weights_is_refused_before_loading() -> None:
    weights = "loss.overrides.weights={mask_bce: 0, mask_dice: 0, box_projection: 0, score: 0, text: 1}"
    check_start(load_config(RunConfig, None, ["loss.preset=published", weights]))
    config = load_config(RunConfig, None, ["stage=phrases", "loss.preset=published", weights])
    with pytest.raises(ConfigError, match="nothing to train on in stage phrases"):
        check_start(config)


def test_two_kills_change_nothing(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = tiny(tmp_path, *SHORT)
    plain = Trainer.train_step
    for step in (1, 2):

        def train_step(self: Trainer, batch: Any, step: int = step) -> Any:
            result = plain(self, batch)
            if self.step == step:
                raise Killed
            return result

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "train_step", train_step)
            with pytest.raises(Killed):
                resume(overrides, tmp_path)
    resume(overrides, tmp_path)
    assert_same(whole, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_48_steps_and_8_kills_end_with_the_same_bits(tmp_path: Path) -> None:
    more = (
        "schedule.total_steps=48",
        "schedule.checkpoint_minutes=0.01",
        "optim.muon_lr=1e-3",
        "loss.objectives.query_readout=1",
    )
    more += ("model.overrides.dropout=0.1", "data.images_per_batch=1", "data.workers=1")

    def start(folder: Path, kills: str) -> list[int]:
        words = [sys.executable, str(SCRIPT), kills, *tiny(folder, *more)]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        return [int(line) for line in done.stdout.split()]

    assert start(tmp_path / "whole", "end") == [0]
    steps, saves = (3, 9, 10, 21, 33, 47), (2, 4)  # inside an update, inside a save
    kills = [*(f"step-{number}" for number in steps), *(f"rename-{number}" for number in saves)]
    kills = [kills[index] for index in (0, 1, 6, 2, 3, 7, 4, 5)]
    codes = start(tmp_path / "broken", " ".join([*kills, "end"]))
    assert codes == [9 if kill.startswith("rename") else -signal.SIGKILL for kill in kills] + [0]
    assert_same(tmp_path / "whole", tmp_path / "broken")


def test_a_run_of_an_earlier_version_and_a_copied_one_are_adopted(stopped: Path) -> None:
    """Earlier versions named the export `model`; a copy of a run folder may hold a folder in place of the link."""
    assert (stopped / "model").is_dir()
    assert not (stopped / "model").is_symlink()
    export.adopt_earlier_layout(stopped)
    assert not (stopped / "model").exists()
    (stopped / LAST).rename(stopped / "model")
    export.adopt_earlier_layout(stopped)
    assert (stopped / LAST / "model.safetensors").is_file()
    export.link_earlier_name(stopped)
    assert (stopped / "model" / "model.safetensors").samefile(stopped / LAST / "model.safetensors")
