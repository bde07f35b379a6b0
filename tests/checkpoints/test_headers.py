"""Weights on disk are safetensors in the model's own folder, whole and of floating point, or refused by name."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from instructsam.checkpoints.headers import read_header, tensors, weight_files
from instructsam.checkpoints.opening import load_model
from instructsam.errors import CheckpointError
from instructsam.inference.loading import load
from tests.published import publish

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 16123404\n"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "published"
    publish(folder)
    return folder


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """A model folder whose files may be changed."""
    for path in published.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: LFS, r"model\.safetensors is a Git LFS pointer"),
        (lambda _: b"", r"model\.safetensors is empty: the download was interrupted"),
        (lambda _: bytes(5000), r"model\.safetensors is empty"),
        (lambda _: b"<!DOCTYPE html><html>429", r"model\.safetensors is a web page"),
        (
            lambda _: b"<?xml version='1.0'?><Error>",
            r"model\.safetensors is a web page or a server's error message",
        ),
        (lambda _: b"PK\x03\x04" + bytes(90), r"model\.safetensors is a pickled PyTorch file"),
        (lambda _: b"GGUF" + bytes(90), r"model\.safetensors is a GGUF file"),
        (lambda whole: whole[:5], r"model\.safetensors is not a safetensors file"),
        (lambda whole: whole[:900], r"model\.safetensors is cut short: its header alone"),
        (
            lambda whole: whole[:-1],
            r"is cut short: its header describes [\d,]+ bytes of tensors, the file holds",
        ),
        (lambda whole: whole + b"\0", "does not fit its header"),
        (
            lambda whole: whole[:40] + b"\xff\xff" + whole[42:],
            r"model\.safetensors is not a safetensors file",
        ),
    ],
)
def test_what_a_file_really_is(folder: Path, change: Callable[[bytes], bytes], message: str) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(change(weights.read_bytes()))
    with pytest.raises(CheckpointError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LFS, "Git LFS pointer"),
        (b"", "is empty"),
        (b"<html>", "a web page"),
        (b'{"a": ', "damaged"),
        (b"[]", "damaged|no readable"),
    ],
)
def test_small_files_too(folder: Path, name: str, content: bytes, message: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load(folder)
    assert name in str(caught.value) or (name.startswith("tokenizer") and "tokenizer" in str(caught.value))


def test_unfinished_downloads_and_pickled_weights_are_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.safetensors.incomplete")
    with pytest.raises(
        CheckpointError, match=r"lacks model\.safetensors \(.*incomplete is an unfinished download\)"
    ):
        load(folder)
    (folder / "model.safetensors.incomplete").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is a pickled file, which is never read"):
        load(folder)


def shards(folder: Path, names: list[str]) -> None:
    whole = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {name: names[number % len(names)] for number, name in enumerate(whole)}
    for file in names:
        path = folder / file
        save_file(
            {name: whole[name] for name in whole if places[name] == file}, path, metadata={"format": "pt"}
        )
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def test_an_incomplete_set_of_shards(folder: Path) -> None:
    shards(folder, ["a.safetensors", "b.safetensors"])
    load_model(folder, torch.float32)
    (folder / "a.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks a\.safetensors"):
        load(folder)


@pytest.mark.parametrize(
    "name",
    ["../a.safetensors", "/a.safetensors", "..\\a.safetensors", "sub/a.safetensors", "..", "../" * 2000],
)
def test_an_index_never_leads_outside(folder: Path, name: str) -> None:
    shards(folder, ["a.safetensors"])
    (folder.parent / "a.safetensors").write_bytes((folder / "a.safetensors").read_bytes())
    index = folder / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("a.safetensors", name.replace("\\", "\\\\")))
    with pytest.raises(
        CheckpointError, match="expected the name of a safetensors file in the same folder"
    ) as caught:
        load(folder)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("places", ["[]", "{}", '{"a": 3}', '{"a": "b.bin"}', '"x"', "null"])
def test_a_damaged_index(folder: Path, places: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(f'{{"metadata": {{}}, "weight_map": {places}}}')
    with pytest.raises(CheckpointError, match=r"index\.json (is damaged|names 'b\.bin')"):
        weight_files(folder)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1] * 99, "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 2**62]},
        {"dtype": "X7", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4]},
        [],
    ],
)
def test_damaged_headers(tmp_path: Path, entry: Any) -> None:
    header = json.dumps({"a": entry}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(CheckpointError, match=r"the entry of 'a' has no valid dtype, shape and place"):
        read_header(path)


@pytest.mark.parametrize(
    "dtype",
    [torch.int8, torch.uint8, torch.int32, torch.int64, torch.bool, torch.float8_e4m3fn, torch.complex64],
)
def test_weights_that_are_not_floating_point(folder: Path, dtype: torch.dtype) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.mask_queries"] = torch.ones_like(weights["model.mask_queries"]).to(dtype)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"model\.mask_queries is \w+ in model\.safetensors"):
        load(folder)


def test_floating_point_of_every_width_is_read_and_what_is_unused_may_be_anything(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    formats = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
    mixed = {name: tensor.to(formats[number % 4]) for number, (name, tensor) in enumerate(weights.items())}
    mixed["model.grounding_model.model.text_encoder.position_ids"] = torch.arange(4)
    save_file(mixed, folder / "model.safetensors", metadata={"format": "pt"})
    assert load_model(folder, torch.float32).dtype == torch.float32
    assert len(dict(tensors(folder))) == len(mixed)
