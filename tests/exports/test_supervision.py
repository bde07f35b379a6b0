"""supervision: `Detections` and `DetectionDataset`, with the real library where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import InputError, MissingExtraError
from instructsam.exports import export
from tests.exports.made import HOSTILE_LABELS, prediction


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that keeps what it receives."""
    fake = SimpleNamespace(Detections=SimpleNamespace, DetectionDataset=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "supervision", fake)


def _two() -> list[Any]:
    return [
        prediction(masks=2, phrases=("plate", "mug"), phrase_ids=[1, 0], image_path="a.png"),
        prediction(masks=1, phrases=("mug",), image_path="b.png"),
    ]


@pytest.mark.usefixtures("library")
def test_class_ids_count_the_labels_of_all_images() -> None:
    first, second = export(_two(), "supervision")
    assert first.class_id.tolist() == [1, 0]
    assert second.class_id.tolist() == [1]
    assert first.data["class_name"].tolist() == ["mug", "plate"]
    assert first.data["instruction"].tolist() == ["the mugs"] * 2
    assert export(_two()[1], "supervision").class_id.tolist() == [0]


@pytest.mark.usefixtures("library")
def test_a_data_set_needs_each_image_once_and_as_a_file() -> None:
    with pytest.raises(InputError, match="image files, got an image in memory"):
        export([prediction(masks=1)], "supervision", dataset=True)
    with pytest.raises(InputError, match="each image once"):
        export([*_two(), *_two()], "supervision", dataset=True)
    assert export(_two(), "supervision", dataset=True).classes == ["plate", "mug"]


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'instructsam\[viz\]'"):
        export(_two(), "supervision")


def test_the_real_library(tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file in files:
        Image.new("RGB", (6, 4)).save(file)
    empty = prediction(masks=0, image_path=str(files[1]))
    full = prediction(masks=8, phrases=HOSTILE_LABELS, phrase_ids=list(range(8)), image_path=str(files[0]))
    alone = export(full, "supervision")
    assert isinstance(alone, supervision.Detections)
    assert alone.data["class_name"].tolist() == list(HOSTILE_LABELS)
    dataset = export([full, empty], "supervision", dataset=True)
    assert dataset.classes == [*HOSTILE_LABELS]
    found = {path: detections for path, _, detections in dataset}
    assert [len(found[str(file)]) for file in files] == [8, 0]
    assert np.array_equal(found[str(files[0])].mask, full.instances.masks)
