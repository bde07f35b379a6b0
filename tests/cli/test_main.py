"""The command itself: help without torch, one line for every error, and the small commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from instructsam import __version__
from instructsam.errors import CheckpointError
from tests.published import publish

from .conftest import FakeSegmenter, Outcome

Command = Callable[..., Outcome]


def test_help_and_bad_input_do_not_import_torch(photo: Path) -> None:
    """One after another in one process; the message names the first that does."""
    lines = [
        ["--help"],
        ["segment", "--help"],
        ["segment", "photo.png"],
        ["segment", "absent.png", "x"],
        ["segment", str(photo), "x", "--model", "absent-model"],
        ["evaluate", "--benchmark", "absent"],
        ["train", "absent.yaml"],
        ["world", "--help"],
    ]
    code = f"""
import sys
from instructsam.cli.main import run
for arguments in {lines!r}:
    run(arguments)
    if found := {{"torch", "transformers"}} & set(sys.modules):
        sys.exit(f"{{arguments}} imports {{found}}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_module_entry_point_passes_the_exit_code_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "instructsam", "segment", str(tmp_path / "absent.png"), "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "absent.png" in done.stderr


def test_help_names_every_command(command: Command) -> None:
    for arguments in ([], ["--help"]):
        code, out, _ = command(*arguments)
        assert code == 0
        for name in ("segment", "evaluate", "train", "world", "data", "demo", "doctor"):
            assert f"  {name} " in out


def test_version(command: Command) -> None:
    assert command("--version") == (0, f"instructsam {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["nonsense"], ["world"], ["data"], ["world", "build", "--split", "x"]])
def test_wrong_commands_are_one_line(command: Command, arguments: list[str]) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


def test_a_bad_checkpoint_is_one_line(command: Command, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise CheckpointError("model.safetensors is damaged:\n header too large")

    monkeypatch.setattr("instructsam.inference.loading.load", load)
    code, out, err = command("segment", photo, "x")
    assert (code, out) == (2, "")
    assert err == "instructsam: error: model.safetensors is damaged: header too large\n"


def test_interruption(command: Command, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("instructsam.inference.loading.load", load)
    assert command("segment", photo, "x")[0] == 130


def test_a_defect_is_not_hidden(command: Command, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("instructsam.inference.loading.load", load)
    with pytest.raises(ZeroDivisionError):
        command("segment", photo, "x")


def test_demo_uses_the_first_shipped_example(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segmenter: FakeSegmenter
) -> None:
    monkeypatch.setattr("instructsam.cli.demo.examples_folder", lambda: tmp_path)
    code, _, err = command("demo", "--out", tmp_path / "out")
    assert code == 2
    assert "examples are missing" in err
    Image.new("RGB", (30, 20)).save(tmp_path / "table.png")
    (tmp_path / "instructions.json").write_text(json.dumps({"table.png": ["the mugs", "the rest"]}))
    code, out, _ = command("demo", "--out", tmp_path / "out")
    assert code == 0
    assert segmenter.requests[1]["instructions"] == ["the mugs"]
    assert str(tmp_path / "out" / "table.1.png") in out


def test_doctor_accounts_for_a_model(tmp_path: Path, command: Command) -> None:
    publish(tmp_path / "model")
    code, out, _ = command("doctor", str(tmp_path / "model"))
    assert code == 0
    assert "every tensor is accounted for" in out
    assert "published" in out
    code, out, _ = command("doctor", str(tmp_path / "model"), "--json")
    assert json.loads(out)["parts"]["instance queries"]["tensors"] == 1
    weights = tmp_path / "model" / "model.safetensors"
    save_file({"model.extra": torch.zeros(1)}, weights)
    code, out, _ = command("doctor", str(tmp_path / "model"))
    assert code == 1
    assert "unexpected: model.extra" in out
    code, _, err = command("doctor", str(tmp_path / "nothing.bin"))
    assert code == 2
    assert "neither an existing folder nor a hub id" in err


def test_doctor_tells_whether_the_default_is_there(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instructsam.cli.doctor.default_checkpoint", lambda: tmp_path)
    code, out, _ = command("doctor")
    assert code == 1
    assert "lacks config.json, model.safetensors" in out
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes(b"x")
    code, out, _ = command("doctor", "--json")
    assert code == 0
    assert json.loads(out)["default checkpoint"] == str(tmp_path)


def test_world_sample_writes_a_sheet(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("world", "sample", "--seed", "7", "--count", "2", "--out", tmp_path)
    assert code == 0
    assert str(tmp_path / "sheet.png") in out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > sheet.height > 100
    before = (tmp_path / "sheet.png").read_bytes()
    command("world", "sample", "--seed", "7", "--count", "2", "--out", tmp_path)
    assert (tmp_path / "sheet.png").read_bytes() == before
