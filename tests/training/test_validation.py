"""Validation while a run trains: best/, early stopping, and what a resumed run knows of it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file

from instructsam.config import load_config
from instructsam.errors import ConfigError, InstructSAMError
from instructsam.experiments.sources import open_source
from instructsam.training import trainer
from instructsam.training.settings import RunConfig
from instructsam.training.stages import train_stages
from instructsam.training.stopping import TrainingInterrupted
from instructsam.training.validation import Standing, ValidationResult, standing_of
from tests.training.conftest import tiny


class Scripted:
    """Gives each step its score; keeps the weights that it was given."""

    name, metric, title, lower_is_better = "scripted", "giou", "gIoU", False

    def __init__(self, scores: dict[int, float], interrupt: int = -1) -> None:
        self.scores, self.interrupt = scores, interrupt
        self.weights: dict[int, Any] = {}

    def __call__(self, model: Path, check: Callable[[], None]) -> ValidationResult:
        step = json.loads((model / "training.json").read_text())["step"]
        if step == self.interrupt:
            os.kill(os.getpid(), signal.SIGTERM)
        check()
        self.weights[step] = load_file(model / "model.safetensors")
        return ValidationResult(
            {"giou": self.scores[step], "ap": 1 - self.scores[step], "n_acc": None},
            {"example-1": Image.new("RGB", (8, 8))},
        )


EVERY_STEP = ("validation.source=scripted", "validation.every_steps=1")


def train(folder: Path, validate: Scripted, *more: str, resume: bool = False) -> Path:
    changes = tiny(folder, *EVERY_STEP, "schedule.total_steps=4", *more)
    return trainer.run(None, open_source, changes, resume, open_validate=lambda _: validate)


def validations(folder: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["validation"]["giou"]) for line in lines if "validation" in line]


def test_the_best_average_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    validate = Scripted({1: 0.2, 2: 0.5, 3: 0.4, 4: 0.5})
    last = train(tmp_path, validate)
    assert validations(tmp_path) == [(1, 0.2), (2, 0.5), (3, 0.4), (4, 0.5)]
    best = load_file(tmp_path / "best" / "model.safetensors")
    assert all((best[name] == tensor).all() for name, tensor in validate.weights[2].items())
    exported = load_file(last / "model.safetensors")
    assert all((exported[name] == tensor).all() for name, tensor in validate.weights[4].items()), (
        "the average"
    )
    record = json.loads((tmp_path / "best" / "validation.json").read_text())
    assert (record["step"], record["giou"], record["on"]) == (2, 0.5, "scripted")
    assert (tmp_path / "validation" / "example-1.png").is_file()
    assert "validation at step 3 on scripted: gIoU 0.4000; best 0.5000 at step 2" in capsys.readouterr().err
    assert not list(tmp_path.glob(".candidate*"))


def test_patience_stops_early_and_counts_as_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = Scripted({1: 0.2, 2: 0.1, 3: 0.1, 4: 0.9})
    train(tmp_path / "run", scores, "validation.patience=2")
    assert [step for step, _ in validations(tmp_path / "run")] == [1, 2, 3]
    assert "stopped early at step 3: 2 validations in a row were not better than that of step 1" in (
        capsys.readouterr().err
    )
    train(tmp_path / "run", scores, "validation.patience=2", resume=True)
    assert [step for step, _ in validations(tmp_path / "run")] == [1, 2, 3], "nothing is trained on"
    config = tmp_path / "config.yaml"
    config.write_text("{}")
    changes = tiny(tmp_path / "run", *EVERY_STEP, "schedule.total_steps=4", "validation.patience=2")
    train_stages([config], open_source, changes, True, open_validate=lambda _: scores)
    assert [step for step, _ in validations(tmp_path / "run")] == [1, 2, 3], "the stage is finished"
    train(tmp_path / "run", scores, "validation.patience=3", resume=True)
    assert validations(tmp_path / "run")[-1] == (4, 0.9)


def test_a_resumed_run_keeps_the_best_and_repeats_an_interrupted_validation(tmp_path: Path) -> None:
    scores = {1: 0.6, 2: 0.3, 3: 0.4, 4: 0.5}
    plain = Scripted(scores)
    train(tmp_path / "whole", plain)
    with pytest.raises(TrainingInterrupted, match="at step 2 of 4"):
        train(tmp_path / "run", Scripted(scores, interrupt=2))
    assert validations(tmp_path / "run") == [(1, 0.6)]
    again = Scripted(scores)
    train(tmp_path / "run", again, resume=True)
    assert validations(tmp_path / "run") == validations(tmp_path / "whole")
    for step, tensors in again.weights.items():
        assert all((plain.weights[step][name] == tensor).all() for name, tensor in tensors.items()), step
    assert json.loads((tmp_path / "run" / "best" / "training.json").read_text())["step"] == 1


def test_validation_does_not_change_the_training(tmp_path: Path) -> None:
    train(tmp_path / "with", Scripted({1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}), "model.overrides.dropout=0.1")
    trainer.run(
        None, open_source, tiny(tmp_path / "without", "schedule.total_steps=4", "model.overrides.dropout=0.1")
    )
    one, other = (load_file(tmp_path / name / "last" / "model.safetensors") for name in ("with", "without"))
    assert all((one[name] == other[name]).all() for name in one)


def test_a_full_disk_keeps_the_best_model_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    scores = {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
    with pytest.raises(TrainingInterrupted):
        train(tmp_path, Scripted(scores, interrupt=2))
    with monkeypatch.context() as patch:
        patch.setattr("instructsam.training.best_model.publish", full)
        with pytest.raises(
            InstructSAMError, match=r"cannot be written \(No space left on device\).*--resume"
        ):
            train(tmp_path, Scripted(scores), resume=True)
    assert json.loads((tmp_path / "best" / "training.json").read_text())["step"] == 1
    assert not list(tmp_path.glob(".candidate*"))
    train(tmp_path, Scripted(scores), resume=True)
    assert validations(tmp_path) == list(scores.items())


def test_a_model_that_does_not_fit_on_the_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("instructsam.training.export.finish_tree", full)
    with pytest.raises(InstructSAMError, match="No space left on device"):
        train(tmp_path, Scripted({1: 0.1}))
    assert not list(tmp_path.glob(".*candidate*"))


def test_a_new_run_forgets_one_that_was_killed_before_its_first_checkpoint(tmp_path: Path) -> None:
    start, folder = train(tmp_path / "start", Scripted({1: 0, 2: 0, 3: 0, 4: 0})), tmp_path / "run"
    changes = (
        f"model.path={start}",
        "model.preset=default",
        "model.vocab_size=2048",
        "model.tokenizer_texts=8000",
    )
    train(folder, Scripted({0: 0.9, 1: 0.1, 2: 0.2, 3: 0.2, 4: 0.1}), *changes)
    shutil.rmtree(folder / "checkpoints")  # as if it had not come so far
    scores = {0: 0.0, 1: 0.1, 2: 0.2, 3: 0.2, 4: 0.1}
    train(folder, Scripted(scores), *changes)
    assert validations(folder) == list(scores.items())
    assert json.loads((folder / "best" / "validation.json").read_text())["giou"] == 0.2


@pytest.mark.parametrize("change", ["name", "metric"])
def test_a_resumed_run_does_not_compare_scores_of_other_instructions_or_metrics(
    tmp_path: Path, change: str
) -> None:
    train(tmp_path, Scripted({1: 0.7, 2: 0.8, 3: 0.9, 4: 0.9}), "schedule.total_steps=3")
    later = Scripted({3: 0.3, 4: 0.8})
    setattr(later, change, "ap")
    train(tmp_path, later, "validation.patience=1", resume=True)
    assert json.loads((tmp_path / "best" / "validation.json").read_text())["step"] == 4


@pytest.mark.parametrize(("lower", "best"), [(False, 20), (True, 10)])
def test_the_standing_follows_the_metrics_direction(lower: bool, best: int) -> None:
    lines = [{"step": 10, "validation": {"m": 1}}, {"step": 15}, {"step": 20, "validation": {"m": 2.0}}]
    standing = standing_of([*lines, {"step": 30, "validation": {"m": None}}], "m", lower, "val")
    assert standing.best_step == best
    assert standing.steps == (10, 20, 30)
    assert standing.without_better == (2 if lower else 1)
    assert not standing.gives_up(0)


def test_an_undefined_score_is_never_the_best() -> None:
    assert Standing().after(1, None, False).best is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["validation.source=world/val", "validation.share=0.1"], "give one of them"),
        (["validation.patience=2"], "set validation.source or validation.share"),
        (
            ["validation.source=x", "validation.every_steps=1", "validation.every_epochs=1"],
            "exclude each other",
        ),
        (["optim.warmup_fraction=0.1", "optim.warmup_steps=3"], "exclude each other"),
    ],
)
def test_settings_that_contradict_each_other(changes: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(RunConfig, None, changes)
