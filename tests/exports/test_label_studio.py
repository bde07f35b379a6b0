"""Tasks of Label Studio with predictions, and their labelling interface."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import InputError
from instructsam.exports import export
from instructsam.exports.label_studio_rle import decode_brush
from tests.exports.made import HOSTILE_LABELS, prediction

SIZE = (30, 50)


def _ring_and_dot() -> np.ndarray:
    mask = np.zeros((1, *SIZE), dtype=np.bool_)
    mask[0, 2:20, 2:30] = True
    mask[0, 6:10, 6:10] = False
    mask[0, 25:28, 40:45] = True
    return mask


def _tasks(path: Path, *given: Any, **options: Any) -> list[dict[str, Any]]:
    written = export(given, "label_studio", path / "tasks.json", **options)
    assert written == (path / "tasks.json", path / "tasks.xml")
    found: list[dict[str, Any]] = json.loads(written[0].read_text(encoding="utf-8"))
    assert found == export(given, "label_studio", **options)
    return found


def _regions(path: Path, *given: Any, **options: Any) -> list[dict[str, Any]]:
    (task,) = _tasks(path, *given, **options)
    found: list[dict[str, Any]] = task["predictions"][0]["result"]
    return found


def test_a_task_has_its_image_instructions_and_regions(tmp_path: Path) -> None:
    first = prediction(_ring_and_dot(), ("mug",), "mugs", image_path="a b/c.png")
    second = prediction(np.zeros((0, *SIZE), np.bool_), ("car",), "cars", image_path="a b/c.png")
    (task,) = _tasks(tmp_path, first, second, local_files="shelf")
    assert task["data"] == {
        "image": "/data/local-files/?d=shelf/a%20b/c.png",
        "instructions": ["mugs", "cars"],
    }
    assert task["predictions"][0]["score"] == pytest.approx(0.9)
    (region,) = task["predictions"][0]["result"]
    assert region["meta"]["text"] == ["mugs"]
    assert np.array_equal(decode_brush(region["value"]["rle"], SIZE), first.instances.masks[0])
    view = ElementTree.parse(tmp_path / "tasks.xml").getroot()
    assert [tag.get("value") for tag in view.iter("Label")] == ["mug", "car"]
    assert view.find("BrushLabels").get("name") == region["from_name"]  # type: ignore[union-attr]


def test_each_part_of_a_polygon_is_a_region_and_a_hole_a_cut(tmp_path: Path) -> None:
    regions = _regions(tmp_path, prediction(_ring_and_dot()), shape="polygon", tolerance=0)
    assert [region["id"] for region in regions] == ["instance-1", "instance-1-part-2"]
    points = np.array(regions[0]["value"]["points"]) / 100 * SIZE[::-1]
    x, y = points.T
    area = abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2
    assert area == pytest.approx(18 * 28 - 16)


def test_boxes_and_bitmasks(tmp_path: Path) -> None:
    (box,) = _regions(tmp_path, prediction(_ring_and_dot()), shape="rectangle")
    assert box["type"] == "rectanglelabels"
    assert (box["value"]["x"], box["value"]["width"]) == pytest.approx((4, 86))
    (bitmask,) = _regions(tmp_path, prediction(_ring_and_dot()), shape="bitmask")
    assert bitmask["value"]["imageDataURL"].startswith("data:image/png;base64,")
    assert 'smoothing="false"' in (tmp_path / "tasks.xml").read_text()


def test_hostile_labels_are_the_same_in_both_files(tmp_path: Path) -> None:
    labels = (*HOSTILE_LABELS, "bell \x07 and null \x00")
    regions = _regions(tmp_path, prediction(len(labels), labels, phrase_ids=list(range(len(labels)))))
    found = [region["value"]["brushlabels"][0] for region in regions]
    view = ElementTree.parse(tmp_path / "tasks.xml").getroot()
    assert found == [tag.get("value") for tag in view.iter("Label")]
    assert found[:2] == list(labels[:2])


def test_addresses_of_images(tmp_path: Path) -> None:
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "a.png")
    given = prediction(_ring_and_dot(), image_path=str(tmp_path / "a.png"))
    (task,) = _tasks(tmp_path, given, url_prefix="s3://shelf/")
    assert task["data"]["image"] == "s3://shelf/a.png"
    (task,) = _tasks(tmp_path, given, embed=True)
    assert task["data"]["image"].startswith("data:image/jpeg;base64,")


def test_nothing_to_show(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert _regions(tmp_path, prediction(np.zeros((1, *SIZE), np.bool_))) == []
    assert "instances without pixels are left out (1)" in caplog.text
    assert _tasks(tmp_path) == []
    with pytest.raises(InputError, match=r"end it in \.json"):
        export([], "label_studio", tmp_path / "tasks.xml")
