"""Wrong values for `load`, `build` and `Segmenter.save`: refused by name, before anything is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import instructsam
from instructsam.checkpoints import resolve as locating
from instructsam.cli.main import run
from instructsam.errors import InputError
from instructsam.inference import loading
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
    monkeypatch.setattr(loading, "load_adapted", None)
    monkeypatch.setattr("instructsam.checkpoints.assemble.load_stock", None)


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


def test_what_a_layout_has_no_place_for_is_refused_before_weights_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = tiny_pair()  # with a presence token
    model.config.save_pretrained(tmp_path / "hub")
    fetched: list[object] = []

    def fetch(hub_id: str, revision: str | None = None, patterns: object = "weights") -> Path:
        fetched.append(patterns)
        return tmp_path / "hub"

    monkeypatch.setattr(locating, "fetch", fetch)
    command = ["convert", "owner/name", str(tmp_path / "out"), "--to", "published"]
    assert run([*command, "--dtype", "fp16"]) == 2
    assert fetched == []
    assert run(command) == 2
    assert fetched == [locating.SMALL_FILES]


@pytest.mark.parametrize("value", [None, *NOT_PATHS])
def test_a_model_is_saved_to_a_path(value: Any) -> None:
    with pytest.raises(InputError, match="folder"):
        Segmenter(*tiny_pair()).save(value)
