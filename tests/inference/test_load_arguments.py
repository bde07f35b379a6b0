"""Wrong values for `load`, `build`, `convert` and `Segmenter.save`: refused by name, before anything is read."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import instructsam
from instructsam.cli.main import run
from instructsam.errors import CheckpointError, InputError
from instructsam.inference import account, convert, loading, locating
from instructsam.inference.segmenter import Segmenter
from tests.tiny import tiny_pair

NOT_PATHS: list[Any] = [5, math.nan, True, b"x", [], {}, "\0", "half \ud83d", "x" * 300]
LOAD: dict[str, list[Any]] = {
    "name_or_path": NOT_PATHS,
    "device": [None, 5, math.nan, [], b"cpu", "", "gpu", "CPU", "meta", "cuda:-1", "half \ud83d"],
    "dtype": [None, 5, math.nan, [], b"float32", "", "fp16", "float64", torch.float32],
    "revision": [5, b"x", [], math.nan, "half \ud83d"],
    "released_decoding": [None, 0, 1, "no", []],
    "adapter": [None, 5, "", "mrege", [], b"merge"],
    "quantize": [5, "", "int3", [], True, b"int8"],
}
BUILD: dict[str, list[Any]] = {
    "vlm": [None, *NOT_PATHS],
    "detector": [None, *NOT_PATHS],
    "num_queries": [0, -1, 1.5, "10", None, True, math.nan, 10**400],
    "device": [None, "gpu"],
    "dtype": [None, "fp16"],
    "use_presence": [None, 1, "no"],
    "seed": [None, -1, 1.5, "0", True, 10**400],
}


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "load_model", None)
    monkeypatch.setattr("instructsam.inference.building.stock_model", None)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in LOAD.items() for value in values], ids=ascii
)
def test_load_names_the_wrong_argument(
    name: str, value: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if name == "quantize":  # judged with the model's configuration, before its weights
        monkeypatch.undo()
        monkeypatch.setattr("instructsam.model.instructsam.InstructSAMModel.from_pretrained", None)
    with pytest.raises(InputError, match=name):
        instructsam.load(**{"device": "cpu", name: value})


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BUILD.items() for value in values], ids=ascii
)
def test_build_names_the_wrong_argument(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        instructsam.build(**{"device": "cpu", name: value})


def test_convert_refuses_before_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "read_config", None)
    source, target = tmp_path / "source", tmp_path / "target"
    wrong: list[tuple[Any, ...]] = [
        (5, target, "native"), (source, 5, "native"), (source, "\0", "native"), (source, target, None),
        (source, target, "native", "fp16"), (source, target, "native", None, 0), (source, tmp_path, "native"),
        (source, target, "native", None, math.nan), (source, target, "native", None, 1e9),
    ]  # fmt: skip
    for arguments in wrong:
        with pytest.raises(InputError):
            convert.convert(*arguments)
    assert not list(tmp_path.iterdir())


def test_what_a_layout_has_no_place_for_is_refused_from_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = tiny_pair()  # with a presence token
    model.config.save_pretrained(tmp_path / "hub")
    fetched: list[object] = []

    def fetch(hub_id: str, revision: str | None = None, patterns: object = "weights") -> Path:
        fetched.append(patterns)
        return tmp_path / "hub"

    monkeypatch.setattr(locating, "fetch", fetch)
    assert run(["convert", "owner/name", str(tmp_path / "out"), "--to", "published"]) == 2
    assert fetched == [locating.SMALL_FILES]
    monkeypatch.setattr(account, "tensors", None)
    with pytest.raises(CheckpointError, match="no presence token"):
        convert.convert(tmp_path / "hub", tmp_path / "out", "published")
    assert [path.name for path in tmp_path.iterdir()] == ["hub"]


@pytest.mark.parametrize("size", ["nan", "inf", "0", "-1", "1e400"])
def test_shard_sizes_of_the_command_are_numbers(
    size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["convert", "nowhere", str(tmp_path / "out"), "--to", "native", "--max-shard-gb", size]
    assert run(arguments) == 2
    assert "--max-shard-gb must be a number" in capsys.readouterr().err


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor = tiny_pair()
    Segmenter(model, processor).save(tmp_path / "model")
    monkeypatch.setattr(convert.shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    with pytest.raises(InputError, match=r"needs .* GB, but only 0.0 GB are free"):
        convert.convert(tmp_path / "model", tmp_path / "out", "native")
    monkeypatch.undo()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(convert, "save_file", full)
    with pytest.raises(InputError, match="No space left on device"):
        convert.convert(tmp_path / "model", tmp_path / "out", "native")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("value", [None, *NOT_PATHS])
def test_a_model_is_saved_to_a_path(value: Any) -> None:
    with pytest.raises(InputError, match="folder"):
        Segmenter(*tiny_pair()).save(value)


def test_a_file_in_the_way_of_a_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot write there"):
            Segmenter(*tiny_pair()).save(folder)
