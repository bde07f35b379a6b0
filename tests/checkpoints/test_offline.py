"""A folder is opened without a network, hub ids fail with a way out, and the Auto classes know our models."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors
from huggingface_hub.utils import SafetensorsFileMetadata, SafetensorsRepoMetadata, TensorInfo
from transformers import AutoConfig, AutoModel, AutoProcessor

import instructsam
import instructsam.inference.auto
from instructsam.checkpoints.headers import read_header
from instructsam.checkpoints.hub import fetch, is_hub_id, remote_headers
from instructsam.checkpoints.inspect import account, account_of
from instructsam.checkpoints.resolve import resolve
from instructsam.errors import CheckpointError
from instructsam.model.configuration import InstructSAMConfig
from instructsam.model.instructsam import InstructSAMModel
from instructsam.processing.processor import InstructSAMProcessor
from tests.published import publish
from tests.tiny import picture, tiny_pair


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
def test_folders_open_no_socket(tmp_path: Path) -> None:
    publish(tmp_path / "published")
    segmenter = instructsam.load(tmp_path / "published", device="cpu")
    segmenter.save(tmp_path / "native")
    instructsam.load(tmp_path / "native", device="cpu").segment(picture(), "red mug")
    instructsam.load(device="cpu").segment(picture(), "red mug")


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (errors.GatedRepoError, r"owner/model is gated: request access .* `hf auth login`"),
        (errors.RepositoryNotFoundError, "no such repository on the hub, or a private one"),
        (errors.RevisionNotFoundError, "owner/model has no revision 'v9'"),
        (errors.LocalEntryNotFoundError, "fetch it once with `hf download owner/model`"),
    ],
)
def test_what_the_hub_refuses_comes_with_a_way_out(
    problem: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise problem.__new__(problem)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(CheckpointError, match=message) as caught:
        fetch("owner/model", revision="v9")
    assert "\n" not in str(caught.value)


def test_one_revision_for_all_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    publish(tmp_path)
    asked: list[tuple[str, str | None]] = []

    def snapshot(hub_id: str, revision: str | None, **_: Any) -> str:
        asked.append((hub_id, revision))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    instructsam.load("owner/Model-2.5B", device="cpu", revision="abc")
    assert asked == [("owner/Model-2.5B", "abc")] * 2


def test_one_commit_for_small_files_and_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "snapshots" / "c0ffee"
    publish(folder)
    asked: list[tuple[str | None, bool]] = []

    def snapshot(hub_id: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((revision, "*.safetensors" in allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert resolve("owner/model") == folder
    assert asked == [(None, False), ("c0ffee", True)]
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        CheckpointError, match="without its weights: fetch it once with `hf download owner/model`"
    ):
        resolve("owner/model")
    (folder / "config.json").write_text('{"model_type": "llama"}')
    asked.clear()
    with pytest.raises(CheckpointError, match="describes a llama model"):
        resolve("owner/model")
    assert asked == [(None, False)]  # its weights were not fetched


def test_names_that_the_hub_would_refuse() -> None:
    with pytest.raises(CheckpointError, match="could not be downloaded as a hub id"):
        account_of("a/b--c")


def test_a_model_on_the_hub_is_accounted_for_by_its_headers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model, _ = publish(tmp_path / "snapshots" / "c0ffee")
    small, whole = tmp_path / "snapshots" / "c0ffee", account(tmp_path / "snapshots" / "c0ffee")
    weights = parsed_metadata(small / "model.safetensors")
    (small / "model.safetensors").unlink()
    asked: list[Any] = []

    def snapshot(hub_id: str, revision: str | None, **options: Any) -> str:
        if options.get("local_files_only"):
            raise errors.LocalEntryNotFoundError("not here")
        assert not [pattern for pattern in options["allow_patterns"] if "safetensors" in pattern]
        return str(small)

    def metadata(hub_id: str, revision: str | None) -> Any:
        asked.append((hub_id, revision))
        return weights

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setattr(huggingface_hub, "get_safetensors_metadata", metadata)
    found = account_of("owner/model")
    assert asked == [("owner/model", "c0ffee")]  # the commit of the small files
    assert found.as_dict() == whole.as_dict()
    assert found.complete
    assert found.total.parameters > sum(parameter.numel() for parameter in model.parameters())


def parsed_metadata(path: Path) -> Any:
    """What the hub's library tells of a remote file."""
    header, _ = read_header(path)
    info = {
        name: TensorInfo(entry["dtype"], entry["shape"], tuple(entry["data_offsets"]))
        for name, entry in header.items()
    }
    files = {path.name: SafetensorsFileMetadata({}, info)}
    return SafetensorsRepoMetadata(None, False, dict.fromkeys(info, path.name), files)


@pytest.mark.parametrize("offline", [errors.OfflineModeIsEnabled, errors.NotASafetensorsRepoError])
def test_headers_that_cannot_be_had(offline: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise offline("no")

    monkeypatch.setattr(huggingface_hub, "get_safetensors_metadata", refuse)
    with pytest.raises(CheckpointError, match=r"hf download owner/model|holds no readable safetensors"):
        remote_headers("owner/model")


def test_names_that_can_be_on_the_hub() -> None:
    assert is_hub_id("CircleRadon/InstructSAM-2B")
    assert is_hub_id("Qwen/Qwen2.5-VL-3B")
    for name in ("model.safetensors", "runs/model.safetensors", "./here", "a/b/c", "/tmp", "a b/c"):
        assert not is_hub_id(name), name


def test_auto_classes(tmp_path: Path) -> None:
    model, processor = tiny_pair()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), InstructSAMConfig)
    assert isinstance(AutoModel.from_pretrained(tmp_path), InstructSAMModel)
    assert isinstance(AutoProcessor.from_pretrained(tmp_path), InstructSAMProcessor)
