"""The progress of a run: lines, the estimate after ten steps, the bar of a terminal, pictures for trackers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from instructsam.training import progress
from instructsam.training.progress import ProgressLog, cut_log
from instructsam.training.settings import RunConfig
from instructsam.training.trackers import log_pictures, tracker_settings
from instructsam.training.validation import log_lines


class Terminal(io.StringIO):
    """A stream that passes for a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_time_is_estimated_after_ten_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    log = ProgressLog(tmp_path / "log.jsonl", 1000.0, 100)
    for step in range(1, 21):
        log.tick(step)
    assert capsys.readouterr().err.splitlines() == [
        "a step takes 2 s: about 0:03:00 for the 90 steps that are left"
    ]


def test_a_terminal_shows_one_bar_below_the_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    log = ProgressLog(tmp_path / "log.jsonl", 0.0, 3)
    with log.bar():
        for step in (1, 2, 3):
            log.add({"loss": torch.tensor(1.0)})
            log.write(step, step, 1.0, {"lr": 1e-3, "gradient_norm": 1.0})
            log.tick(step)
    shown = terminal.getvalue()
    assert "training" in shown
    assert "3/3" in shown
    assert "step 2/3" in shown
    log.say("after the bar")
    assert terminal.getvalue().endswith("after the bar\n")


def test_other_streams_get_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = ProgressLog(tmp_path / "log.jsonl", 0.0, 3)
    with log.bar():
        log.tick(1)
        log.say("[bold] is no markup")
    assert capsys.readouterr().err == "[bold] is no markup\n"


def test_validations_stand_in_the_log_and_are_cut_with_it(tmp_path: Path) -> None:
    log = ProgressLog(tmp_path / "log.jsonl", 0.0, 9)
    log.write_validation(3, 1.0, "val", {"giou": 0.25, "ap": None}, False)
    log.write_validation(6, 2.0, "val", {"giou": 0.5}, True)
    with log.path.open("a") as file:
        file.write('{"step": 7, "par')  # a killed process
    assert [line["step"] for line in log_lines(log.path)] == [3, 6]
    assert log_lines(log.path)[0]["validation"] == {"giou": 0.25, "ap": None}
    assert log_lines(log.path)[1]["stopped_early"] is True
    cut_log(log.path, 3)
    assert [line["step"] for line in log_lines(log.path)] == [3]
    assert log_lines(tmp_path / "none") == []


class Tracker:
    """Notes what it is given."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[Any] = []

    def log_images(self, values: dict[str, Any], step: int, **kwargs: Any) -> None:
        self.seen.append((values, step, kwargs))

    def log_artifact(self, path: str, artifact_path: str) -> None:
        self.seen.append((path, artifact_path))


def test_pictures_reach_every_tracker_in_its_own_form(tmp_path: Path) -> None:
    path = tmp_path / "example-1.png"
    Image.new("RGB", (6, 4), (255, 0, 0)).save(path)
    board, wandb, mlflow = (Tracker(name) for name in ("tensorboard", "wandb", "mlflow"))

    class Accelerator:
        trackers = (board, wandb, mlflow)

    log_pictures(Accelerator(), {"example-1": path}, 5)  # type: ignore[arg-type]
    ((values, step, options),) = board.seen
    assert values["validation/example-1"].shape == (1, 4, 6, 3)
    assert (step, options) == (5, {"dataformats": "NHWC"})
    assert wandb.seen[0][0]["validation/example-1"][0].size == (6, 4)
    assert mlflow.seen == [(str(path), "validation/step-00000005")]


def test_trackers_get_plain_values_alone() -> None:
    """TensorBoard refuses lists and null."""
    settings = tracker_settings(RunConfig())
    assert {type(value) for value in settings.values()} <= {bool, int, float, str}
    assert settings["optim.betas"] == "[0.9, 0.98]"
    assert settings["optim.warmup_steps"] == "null"
