"""What the README says can be typed is typed here, and what it lists exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from instructsam.cli.main import run

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    """Code blocks that are marked to be run."""
    return re.findall(rf"<!-- run: {kind} -->\n```\w+\n(.*?)```", README, flags=re.DOTALL)


COMMANDS = [line for block in blocks("shell") for line in block.splitlines() if line.strip()]


def test_there_is_something_to_run() -> None:
    assert len(blocks("python")) == 1
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("line", COMMANDS)
def test_commands(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: tests/cli/test_main.py runs the console script itself."""
    words = shlex.split(line)
    assert words[0] == "instructsam"
    (tmp_path / "src").symlink_to(ROOT / "src")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", words)
    assert run(words[1:]) == 0


def test_python(tmp_path: Path) -> None:
    (tmp_path / "src").symlink_to(ROOT / "src")
    command = [sys.executable, "-c", blocks("python")[0]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").stat().st_size > 0


def test_training_commands_name_real_settings() -> None:
    from instructsam.config import load_config
    from instructsam.training.settings import RunConfig

    for line in re.findall(r"instructsam train (configs/[^#\n]*)", README):
        overrides = [word for word in line.split() if "=" in word]
        for name in re.findall(r"configs/\S+", line):
            assert load_config(RunConfig, ROOT / name, overrides).schedule.total_steps > 0


@pytest.mark.parametrize("path", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_config_is_valid(path: Path, tmp_path: Path) -> None:
    from instructsam.config import load_config
    from instructsam.engine.settings.config import EngineConfig
    from instructsam.experiments.plan import Plan, jobs_of
    from instructsam.training.settings import RunConfig
    from instructsam.training.start import start_criterion

    if "variants:" in path.read_text(encoding="utf-8"):
        assert jobs_of(load_config(Plan, path, []), path, tmp_path)
    elif path.parent.name == "engine":
        assert load_config(EngineConfig, path, []).vlm.url
    else:
        config = load_config(RunConfig, path, [])
        start_criterion(config.loss)
    head = path.read_text(encoding="utf-8").splitlines()[:4]
    assert all(line.startswith("#") for line in head)
    assert any("Command:" in line for line in head)
