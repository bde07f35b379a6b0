"""The table of formats, and the formats that exist in memory."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from instructsam.errors import InputError
from instructsam.exports.registry import FORMATS, find_format
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction


@pytest.fixture
def prediction() -> Prediction:
    masks = np.zeros((2, 4, 6), np.bool_)
    masks[0, :2, :3], masks[1, 3, 5] = True, True
    boxes = np.array([[0, 0, 3, 2], [5, 3, 6, 4]], np.float32)
    found = Instances(masks, boxes, np.array([0.9, 0.5], np.float32), np.array([1, 0], np.int64))
    return Prediction(found, ("mug", "plate"), "", "ok", "mugs and plates", (4, 6))


def test_the_table_names_each_format_once() -> None:
    assert all(name == entry.name for name, entry in FORMATS.items())
    assert all(bool(entry.default_name) == (entry.writes != "nothing") for entry in FORMATS.values())
    names = [entry.default_name for entry in FORMATS.values() if entry.default_name]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["csv", "registry", "", None, ["coco"], "../coco", "x" * 10_000])
def test_unknown_formats_are_refused(name: Any, prediction: Prediction) -> None:
    with pytest.raises(InputError, match=r"must be one of coco, yolo, .*, got") as caught:
        prediction.export(name)
    assert len(str(caught.value)) < 250
    with pytest.raises(InputError):
        find_format(name)


def test_coco_is_what_the_method_returns(prediction: Prediction) -> None:
    results = prediction.export("coco", image_id=7)
    assert results == prediction.to_coco(7)
    assert [(r["image_id"], r["category_id"], r["phrase"], r["area"]) for r in results] == [
        (7, 2, "plate", 6),
        (7, 1, "mug", 1),
    ]
    assert results[0]["bbox"] == [0.0, 0.0, 3.0, 2.0]


def test_supervision_gets_copies(prediction: Prediction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=SimpleNamespace))
    detections = prediction.export("supervision")
    assert detections.data["class_name"].tolist() == ["plate", "mug"]
    assert np.array_equal(detections.mask, prediction.instances.masks)
    assert not np.shares_memory(detections.mask, prediction.instances.masks)
