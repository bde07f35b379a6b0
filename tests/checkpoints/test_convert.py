"""Layouts go into each other and back without losing a tensor."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from instructsam.checkpoints.convert import convert
from instructsam.checkpoints.inspect import account
from instructsam.errors import CheckpointError, InputError
from instructsam.inference.loading import load
from tests.published import publish
from tests.tiny import picture, tiny_pair


def all_tensors(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}


def test_published_to_native_and_back(tmp_path: Path) -> None:
    publish(tmp_path / "published", dtype=torch.bfloat16)
    native = convert(tmp_path / "published", tmp_path / "native", "native")
    back = convert(native, tmp_path / "back", "published")
    first, last = all_tensors(tmp_path / "published"), all_tensors(back)
    assert first.keys() == last.keys()
    for name, tensor in first.items():
        assert tensor.dtype == last[name].dtype
        assert torch.equal(tensor, last[name]), name
    answers = [
        load(folder, device="cpu").segment(picture(), "red mug", score_threshold=0.0).instances.scores
        for folder in (tmp_path / "published", native, back)
    ]
    assert (answers[0] == answers[1]).all()
    assert (answers[0] == answers[2]).all()


@pytest.mark.parametrize("to", ["native", "published"])
def test_shards_and_number_formats(tmp_path: Path, to: str) -> None:
    model, _ = publish(tmp_path / "published")
    folder = convert(tmp_path / "published", tmp_path / "out", to, dtype="float16", max_shard_bytes=100_000)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    files = set(index["weight_map"].values())
    assert len(files) > 2
    assert max((folder / file).stat().st_size for file in files) < 150_000
    assert set(account(folder).dtypes) == {"F16"}
    loaded = load(folder, device="cpu").model.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded[name], tensor.half().float()), name


def test_a_model_without_a_published_layout_is_converted_to_native(tmp_path: Path) -> None:
    model, processor = tiny_pair(slot_boxes=True)
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    folder = convert(tmp_path / "model", tmp_path / "out", "native", max_shard_bytes=100_000)
    assert all_tensors(folder).keys() == all_tensors(tmp_path / "model").keys()
    with pytest.raises(CheckpointError, match="slot_boxes True"):
        convert(tmp_path / "model", tmp_path / "other", "published")


def test_what_cannot_be_converted_leaves_nothing_behind(tmp_path: Path) -> None:
    model, processor = tiny_pair()
    model.save_pretrained(tmp_path / "native")
    processor.save_pretrained(tmp_path / "native")
    with pytest.raises(CheckpointError, match="no presence token and this model has one"):
        convert(tmp_path / "native", tmp_path / "out", "published")
    with pytest.raises(InputError, match="exists already"):
        convert(tmp_path / "native", tmp_path / "native", "native")
    with pytest.raises(InputError, match="must be native or published, got 'onnx'"):
        convert(tmp_path / "native", tmp_path / "out", "onnx")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="unknown dtype 'int3'"):
        convert(tmp_path / "native", tmp_path / "out", "native", dtype="int3")
    assert [path.name for path in tmp_path.iterdir()] == ["native"]


def test_what_the_folder_says_of_its_licence_goes_along(tmp_path: Path) -> None:
    publish(tmp_path / "published")
    (tmp_path / "published" / "LICENSE").write_text("yours to use")
    convert(tmp_path / "published", tmp_path / "native", "native")
    assert account(tmp_path / "native").licence == ["LICENSE: yours to use"]


def test_destinations_and_full_disks_are_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "published")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere")
    before = sorted(tmp_path.iterdir())
    for target, message in (
        (tmp_path / "file" / "out", "cannot write there"),
        (tmp_path / "link", "exists already"),
        (tmp_path / "a\0b", "cannot be written"),
        (tmp_path / ("a" * 300), "cannot be written"),
    ):
        with pytest.raises(InputError, match=message):
            convert(tmp_path / "nothing", target, "native")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 1))  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"has 0\.0 GB free, the result takes"):
        convert(tmp_path / "published", tmp_path / "out", "native")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_is_interrupted_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    publish(tmp_path / "published")
    monkeypatch.setattr("instructsam.checkpoints.convert.save_file", fail)
    with pytest.raises((InputError, KeyboardInterrupt), match=r"^$|out: cannot be written \(No space left"):
        convert(tmp_path / "published", tmp_path / "out", "native")
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


def test_values_that_do_not_fit_the_number_format(tmp_path: Path) -> None:
    publish(tmp_path / "published")
    weights = load_file(tmp_path / "published" / "model.safetensors")
    weights["model.mask_queries"][0, 0] = 1e6
    save_file(weights, tmp_path / "published" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        CheckpointError, match=r"model\.mask_queries in .* beyond torch\.float16: keep the number format"
    ):
        convert(tmp_path / "published", tmp_path / "out", "native", dtype="float16")
    assert not (tmp_path / "out").exists()
