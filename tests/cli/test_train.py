"""What `instructsam train` refuses before torch is imported, and the exit code of a run that a signal ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from instructsam.cli.main import run
from instructsam.training.stopping import TrainingInterrupted


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(f"output_dir: {tmp_path / 'run'}\nmodel: {{preset: tiny}}\n")
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_the_exit_code(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def stop(*_: Any) -> Path:
        raise TrainingInterrupted("stopped: repeat the command with --resume", number)

    monkeypatch.setattr("instructsam.training.trainer.run_config", stop)
    assert run(["train", str(config)]) == 128 + number
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1] == "instructsam: stopped: repeat the command with --resume"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-minutes", "nan"], "--max-minutes"),
        (["--max-minutes", "inf"], "--max-minutes must be a finite number"),
        (["data.workers=-1"], "data.workers must lie in [0, 256], got -1"),
        (["output_dir=FILE"], "cannot write there (a file has this name)"),
        (["output_dir=FILE/below"], "cannot write there"),
        (["model.preset=huge"], "model.preset must be one of default, tiny, got 'huge'"),
        (["model.overrides.heads=3"], "model.overrides.detector_width must be a multiple of 24"),
        (["loss.overrides.points=0"], "loss.overrides.points must lie in"),
        (["model.path=/nowhere/model", "model.overrides={}"], "neither an existing folder nor a hub id"),
        (["--resume"], "holds no checkpoint; start without --resume"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused_in_one_line_before_any_work(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr("instructsam.training.trainer.start_model", lambda *_: pytest.fail("loaded"))
    words = [word.replace("FILE", str(tmp_path / "file")) for word in words]
    assert run(["train", str(config), *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert not (tmp_path / "run").exists() or "--resume" in words


def test_a_destination_is_refused_before_torch_is_imported(config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    code = (
        "import sys; from instructsam.cli.main import run; code = run(sys.argv[1:]); "
        "sys.exit(99 if 'torch' in sys.modules else code)"
    )
    words = [sys.executable, "-c", code, "train", str(config), f"output_dir={tmp_path / 'file'}"]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 2


def test_the_plan_of_stages_of_which_the_first_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    stages[0].write_text(
        f"output_dir: {tmp_path / 'first'}\nmodel: {{preset: tiny, vocab_size: 400, tokenizer_texts: 300}}\n"
    )
    stages[1].write_text(
        f"output_dir: {tmp_path / 'second'}\nmodel: {{path: {tmp_path / 'first' / 'last'}}}\n"
    )
    short = ["device=cpu", "schedule.total_steps=1", "optim.warmup_steps=1", "data.world.short_sides=[64]"]
    short += ["data.images_per_batch=1", "schedule.export_dtype=float32"]
    assert run(["train", str(stages[0]), *short]) == 0
    capsys.readouterr()
    both = ["train", *map(str, stages), *short, "--dry-run"]
    assert run([*both, "--resume"]) == 0
    assert capsys.readouterr().out.count("length: 1 steps") == 2
    assert run(both) == 2
    assert "already holds a run; resume it with --resume" in capsys.readouterr().err
