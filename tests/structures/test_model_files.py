"""The files of a model folder lie in it, and JSON in them is an object."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from instructsam.errors import CheckpointError
from instructsam.structures.model_files import read_object, require_inside

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


def linked(folder: Path, name: str, target: str | Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    os.symlink(target, folder / name)
    return folder


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "merges.txt", "chat_template.jinja", "LICENSE", "README.md"]
)
def test_links_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("{}")
    for number, target in enumerate(("../secret", tmp_path / "secret", "../absent")):
        folder = linked(tmp_path / str(number), name, target)
        with pytest.raises(
            CheckpointError, match=r"is a link out of the model's folder, to .*: replace it by a copy"
        ):
            require_inside(folder)


def test_templates_and_circles(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a link out of"):
        require_inside(linked(tmp_path / "a", "additional_chat_templates", "/etc"))
    linked(tmp_path / "b" / "additional_chat_templates", "tool.jinja", "/etc/passwd")
    with pytest.raises(CheckpointError, match="a link out of"):
        require_inside(tmp_path / "b")
    linked(tmp_path / "c", "x.json", "config.json")
    require_inside(linked(tmp_path / "d", "photos", "/etc"))  # is never read
    require_inside(tmp_path / "c")


def test_links_inside_the_folder_and_in_the_hubs_cache_are_fine(tmp_path: Path) -> None:
    inside = linked(tmp_path / "model", "config.json", "real.json")
    (inside / "real.json").write_text("{}")
    require_inside(inside)
    linked(tmp_path, "other", "model")
    require_inside(tmp_path / "other")  # the folder itself may be a link
    repository = tmp_path / "hub" / "models--owner--name"
    (repository / "blobs").mkdir(parents=True)
    (repository / "blobs" / "abc").write_text("{}")
    snapshot = linked(repository / "snapshots" / "c0ffee", "config.json", "../../blobs/abc")
    require_inside(snapshot)
    linked(snapshot, "tokenizer.json", "../../../models--owner--other/blobs/abc")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is a link out of"):
        require_inside(snapshot)


def test_parts_of_a_distributed_checkpoint_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "shard-00001-model-00001-of-00002.safetensors").touch()
    with pytest.raises(CheckpointError, match="part of a distributed checkpoint"):
        require_inside(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "nested too deep"),
        (b'{"a": ' + b"9" * 5000 + b"}", "5000 digits"),
        (b"\xff\xfe{", "is not UTF-8"),
        (b"[1]", "expected a JSON object, got list"),
        (b"{", "this is not JSON"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    ],
)
def test_what_is_no_object(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_object(path)
    assert "config.json" in str(caught.value)


def test_missing_and_huge(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read"):
        read_object(tmp_path / "config.json")
    with (tmp_path / "big.json").open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(CheckpointError, match="expected a JSON file of a few kB"):
        read_object(tmp_path / "big.json")
