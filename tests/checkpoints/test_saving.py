"""`Segmenter.save` and `convert` on folders that cannot be written, are full, or hold another model."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from instructsam.checkpoints.convert import convert
from instructsam.errors import InputError
from instructsam.inference.loading import load
from instructsam.inference.segmenter import Segmenter
from tests.tiny import tiny_pair


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter(*tiny_pair())


def full(*_: Any, **__: Any) -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are another thing there")
def test_other_accounts_can_read_a_saved_model(segmenter: Segmenter, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        segmenter.save(tmp_path / "model")
        convert(tmp_path / "model", tmp_path / "copy", to="native")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert modes["model.safetensors"] == 0o644
    assert set(modes.values()) == {0o644}


def test_saving_over_a_model_in_several_files(segmenter: Segmenter, tmp_path: Path) -> None:
    segmenter.save(tmp_path)
    whole = names(tmp_path)
    for name in ("model-00001-of-00002.safetensors", "model.safetensors.index.json"):
        (tmp_path / name).write_text("of the model before")
    (tmp_path / "README.md").write_text("kept")
    segmenter.save(str(tmp_path))
    assert names(tmp_path) == sorted([*whole, "README.md"])
    load(tmp_path, device="cpu")


def test_a_full_disk_leaves_the_old_model(
    segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter.save(tmp_path / "model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(type(segmenter.model), "save_pretrained", full)
        with pytest.raises(InputError, match="No space left"):
            segmenter.save(tmp_path / "model")
        with pytest.raises(InputError, match="No space left"):
            segmenter.save(tmp_path / "other")
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
    monkeypatch.setattr("instructsam.checkpoints.convert.save_file", full)
    with pytest.raises(InputError, match="No space left"):
        convert(tmp_path / "model", tmp_path / "converted", "native")
    assert names(tmp_path) == ["model"]


def test_a_file_in_the_way(segmenter: Segmenter, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(InputError, match="file"):
            segmenter.save(folder)
        with pytest.raises(InputError, match="file"):
            convert(tmp_path / "absent", folder, "native")
    assert names(tmp_path) == ["file"]
