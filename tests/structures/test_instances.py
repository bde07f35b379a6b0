from __future__ import annotations

import importlib
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from instructsam.errors import InputError, MissingExtraError
from instructsam.structures.instances import Instances
from instructsam.structures.masks import mask_boxes_xyxy
from instructsam.structures.predictions import Prediction


def make_instances(count: int = 3, height: int = 20, width: int = 30) -> Instances:
    masks = np.zeros((count, height, width), dtype=np.bool_)
    for index in range(count):
        masks[index, 2 : 6 + index, 5 * index : 5 * index + 4] = True
    scores = np.linspace(0.9, 0.5, count).astype(np.float32)
    return Instances(masks, mask_boxes_xyxy(masks), scores, np.arange(count, dtype=np.int64) % 2)


def one_phrase() -> Instances:
    found = make_instances()
    return Instances(found.masks, found.boxes_xyxy, found.scores, np.zeros(3, dtype=np.int64))


def make_prediction(**changes: Any) -> Prediction:
    instances = changes.pop("instances", make_instances())
    fields: dict[str, Any] = {
        "instances": instances,
        "phrases": ("red mug", "plate"),
        "text": "red mug, plate",
        "status": "ok",
        "instruction": "the red mugs and the plate",
        "original_size": instances.size,
        "image": Image.new("RGB", (instances.size[1], instances.size[0]), "gray"),
    }
    return Prediction(**{**fields, **changes})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "masks",
            np.zeros((3, 4), dtype=np.float32),
            r"masks must be bool \(N, H, W\), got float32 \(3, 4\)",
        ),
        ("masks", [[1]], r"masks must be bool \(N, H, W\), got list"),
        ("boxes_xyxy", np.zeros((3, 4)), r"boxes_xyxy must be float32 \(N, 4\), got float64 \(3, 4\)"),
        (
            "boxes_xyxy",
            np.zeros((3, 5), np.float32),
            r"boxes_xyxy must be float32 \(N, 4\), got float32 \(3, 5\)",
        ),
        ("boxes_xyxy", np.full((3, 4), np.nan, np.float32), "boxes_xyxy must be finite"),
        ("scores", np.zeros((3, 1), np.float32), r"scores must be float32 \(N,\), got float32 \(3, 1\)"),
        ("scores", np.zeros(2, np.float32), "one entry per instance, got 3 masks, 3 boxes_xyxy, 2 scores"),
        ("scores", np.array([0.1, 1.5, 0], np.float32), r"scores must lie in \[0, 1\], got 0.0 to 1.5"),
        ("scores", np.array([0.1, np.nan, 0], np.float32), r"scores must lie in \[0, 1\]"),
        ("phrase_ids", np.zeros(3, np.int32), r"phrase_ids must be int64 \(N,\), got int32 \(3,\)"),
        ("phrase_ids", np.array([0, -1, 0]), "phrase_ids must not be negative, got -1"),
    ],
)
def test_instances_say_what_is_wrong(name: str, value: Any, message: str) -> None:
    good = make_instances()
    fields = {n: getattr(good, n) for n in ("masks", "boxes_xyxy", "scores", "phrase_ids")}
    with pytest.raises(InputError, match=message):
        Instances(**{**fields, name: value})


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (1, [1]),
        (-1, [2]),
        (np.int64(0), [0]),
        (slice(1, None), [1, 2]),
        (slice(None, None, -1), [2, 1, 0]),
        (np.array([True, False, True]), [0, 2]),
        ([2, 0], [2, 0]),
        ([], []),
        (np.array([1, 1]), [1, 1]),
    ],
)
def test_indexing_takes_every_field_along(index: Any, expected: list[int]) -> None:
    instances = make_instances()
    chosen = instances[index]
    assert len(chosen) == len(expected)
    for name in ("masks", "boxes_xyxy", "scores", "phrase_ids"):
        np.testing.assert_array_equal(getattr(chosen, name), getattr(instances, name)[expected])


def test_wrong_indices_are_errors() -> None:
    with pytest.raises(IndexError, match="instance 3 of 3"):
        make_instances()[3]
    with pytest.raises(InputError, match="indexed by int, slice"):
        make_instances()[np.zeros((2, 2), dtype=np.int64)]
    with pytest.raises(InputError, match="indexed by int, slice"):
        make_instances()[[0.5]]


def test_iterating_empty_areas_and_concatenating() -> None:
    instances = make_instances()
    assert [len(one) for one in instances] == [1, 1, 1]
    assert instances.areas.tolist() == [16, 20, 24]
    nothing = Instances.empty(20, 30)
    assert len(nothing) == 0
    assert nothing.size == (20, 30)
    joined = Instances.concatenate([instances, nothing, instances[:1]])
    np.testing.assert_array_equal(joined.masks, instances.masks[[0, 1, 2, 0]])
    with pytest.raises(InputError, match="one image size"):
        Instances.concatenate([instances, Instances.empty(20, 31)])
    with pytest.raises(InputError, match="at least one part"):
        Instances.concatenate([])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"status": "fine"},
            "status must be one of ok, no_target, saturated, truncated, malformed, got 'fine'",
        ),
        ({"original_size": (30, 20)}, r"original size \(30, 20\), got \(20, 30\)"),
        ({"image": Image.new("RGB", (20, 30))}, r"original size \(20, 30\), got \(30, 20\)"),
        ({"phrases": ("red mug",)}, "below the number of phrases 1, got 1"),
        ({"status": "no_target"}, "no_target must come without instances, got 3"),
        ({"mode": "auto"}, "mode must be one of '', 'generate', 'direct', 'phrases', got 'auto'"),
        ({"num_queries": 0}, "num_queries must be a whole number from 1"),
    ],
)
def test_prediction_says_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_prediction(**changes)


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({}, ""),
        ({"num_queries": 2}, ""),
        ({"status": "saturated", "num_queries": 2}, "2 of 2 slots used for 'red mug', there may be more"),
        ({"status": "saturated"}, "every slot for instances is used, there may be more"),
        ({"status": "truncated"}, "the reply of the model was cut at its limit, there may be more"),
        ({"status": "malformed"}, "the reply of the model could not be parsed"),
    ],
)
def test_the_remark_counts_slots_and_says_what_is_lost(changes: dict[str, Any], remark: str) -> None:
    prediction = make_prediction(**changes)
    assert prediction.queries_used == (2, 1)
    assert prediction.remark == remark
    one = make_prediction(status="saturated", num_queries=3, phrases=("mug",), instances=one_phrase())
    assert one.remark == "3 of 3 slots used, there may be more"


def test_what_was_looked_for_is_told_without_instances_too() -> None:
    prediction = make_prediction(instances=Instances.empty(20, 30), status="no_target", mode="generate")
    assert prediction.looked_for == "red mug, plate"
    fields = {"looked_for": "red mug, plate", "mode": "generate", "num_queries": None, "queries_used": [0, 0]}
    assert {name: prediction.to_dict()[name] for name in fields} == fields


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools
def test_to_coco_is_what_pycocotools_reads() -> None:
    prediction = make_prediction()
    rows = prediction.to_coco(image_id=7)
    assert [row["category_id"] for row in rows] == [1, 2, 1]
    assert [row["phrase"] for row in rows] == ["red mug", "plate", "red mug"]
    assert {row["image_id"] for row in rows} == {7}
    for row, mask, area in zip(rows, prediction.instances.masks, prediction.instances.areas, strict=True):
        np.testing.assert_array_equal(coco_mask.decode(row["segmentation"]).astype(bool), mask)
        assert row["bbox"] == coco_mask.toBbox(row["segmentation"]).tolist()
        assert row["area"] == area
    json.dumps(rows)


def test_to_dict_and_table_are_json() -> None:
    prediction = make_prediction(notes=("first frame",))
    said = json.loads(json.dumps(prediction.to_dict()))
    assert said["instruction"] == "the red mugs and the plate"
    assert said["status"] == "ok"
    assert said["phrases"] == ["red mug", "plate"]
    assert said["original_size"] == [20, 30]
    assert said["notes"] == ["first frame"]
    assert [row["number"] for row in said["instances"]] == [1, 2, 3]
    assert said["instances"][1]["box_xyxy"] == [5, 2, 9, 7]
    assert prediction.table()[2]["area"] == 24


def test_save_writes_the_overlay(tmp_path: Path) -> None:
    path = make_prediction().save(tmp_path / "out.PNG")
    with Image.open(path) as written:
        assert written.format == "PNG"
        assert max(written.size) >= 480


def test_save_refuses_bad_places_before_drawing(tmp_path: Path) -> None:
    prediction = make_prediction(image=None)
    (tmp_path / "folder.png").mkdir()
    for path, message in [
        (tmp_path / "out.xyz", r"saved as \.png, \.jpg, \.jpeg, \.webp, got 'out.xyz'"),
        (tmp_path / "out", "saved as"),
        (tmp_path / "missing" / "out.png", "missing' does not exist"),
        (tmp_path / "folder.png", "is a folder"),
        (tmp_path / "out.png", "has no image to draw on"),
    ]:
        with pytest.raises(InputError, match=message):
            prediction.save(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_save_without_permission_is_one_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"out.png: cannot be written \(Permission denied\)"):
            make_prediction().save(tmp_path / "out.png")
    finally:
        tmp_path.chmod(0o700)


def test_the_size_of_an_overlay_can_be_chosen(tmp_path: Path) -> None:
    prediction = make_prediction(instances=make_instances(height=500, width=1000))
    assert prediction.overlay().width == 1000
    assert prediction.overlay(max_pixels=125_000).width == 500
    with Image.open(prediction.save(tmp_path / "out.jpg", max_pixels=125_000)) as written:
        assert written.width == 500
    for wrong in (0, -1, 1.5, "9"):
        with pytest.raises(InputError, match="max_pixels must be a whole number"):
            prediction.overlay(max_pixels=wrong)  # type: ignore[arg-type]


def test_supervision_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'instructsam\[viz\]'"):
        make_prediction().to_supervision()


def test_supervision_gets_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.ModuleType("supervision")
    fake.Detections = lambda **fields: fields  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "supervision", fake)
    assert importlib.import_module("supervision") is fake
    detections = make_prediction().to_supervision()
    assert detections["xyxy"].shape == (3, 4)
    assert detections["mask"].shape == (3, 20, 30)
    assert detections["class_id"].tolist() == [0, 1, 0]
    assert detections["data"]["class_name"].tolist() == ["red mug", "plate", "red mug"]
