"""Mapillary Vistas: instance maps of 16 bits, and run-length codes of label maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.formats.label_maps import label_codes, read_label_map
from instructsam.data.formats.mapillary import mapillary_images, read_mapillary
from instructsam.data.formats.source import Tally
from instructsam.data.record import Record
from instructsam.errors import RecordError
from instructsam.structures.masks import decode_rle, encode_rle

from .helpers import block, boxes, write


def label(name: str, readable: str, instances: bool) -> dict[str, Any]:
    return {"name": name, "readable": readable, "instances": instances, "color": [0, 0, 0], "evaluate": True}


LABELS = [
    label("nature--sky", "Sky", False),
    label("object--vehicle--car", "Car", True),
    label("void--unlabeled", "Unlabeled", False),
]


def street() -> NDArray[np.uint16]:
    """Sky with two cars in it, two void columns."""
    values = np.zeros((6, 10), dtype=np.uint16)
    values[block(1, 1, 2, 2)] = 256 + 0
    values[block(4, 1, 3, 3)] = 256 + 1
    values[:, 8:] = 2 * 256
    return values


def save(folder: Path, values: NDArray[Any], labels: Any = None) -> None:
    (folder / "maps").mkdir(exist_ok=True)
    Image.fromarray(values).save(folder / "maps/a.png")
    write(folder / "config.json", {"labels": LABELS if labels is None else labels})


def read(folder: Path) -> list[Record]:
    images = "mapillary/training/images"
    return list(read_mapillary(folder / "config.json", folder / "maps", images, Tally()))


def test_each_class_of_a_picture_is_an_instruction(tmp_path: Path) -> None:
    save(tmp_path, street())
    (tmp_path / "maps/._a.png").write_bytes(b"of a system")
    sky, cars = read(tmp_path)
    assert [record.instruction for record in (sky, cars)] == ["sky", "car"]
    assert boxes(cars) == [[(1, 1, 2, 2), (4, 1, 3, 3)]]
    assert boxes(sky) == [[(0, 0, 8, 6)]]
    assert decode_rle(sky.phrases[0].instances[0].rle).sum() == 48 - 4 - 9
    assert sky.ignore == cars.ignore == encode_rle(block(8, 0, 2, 6))
    assert (sky.image.file, sky.image.height) == ("mapillary/training/images/a.jpg", 6)
    assert mapillary_images(tmp_path / "maps", "images") == ["images/a.jpg"]


def test_a_picture_without_void_pixels_ignores_none(tmp_path: Path) -> None:
    save(tmp_path, np.zeros((6, 10), dtype=np.uint16))
    (record,) = read(tmp_path)
    assert record.ignore is None


@pytest.mark.parametrize(
    ("values", "labels", "message"),
    [
        (
            np.full((6, 10), 9 * 256, dtype=np.uint16),
            None,
            r"a.png: expected classes 0 to 2 of .*config.json, got 9",
        ),
        (
            np.zeros((6, 10, 3), dtype=np.uint8),
            None,
            "a.png: expected a picture of labels, .* got one of mode RGB",
        ),
        (street(), [{"readable": "Sky"}], r"config.json, at labels\[0\]: the field 'instances' is missing"),
        (street(), "sky", r"config.json, at labels: expected a list"),
        (street(), [label("a", "A", 2)], r"at labels\[0\].instances: expected true, false"),  # type: ignore[arg-type]
    ],
)
def test_faults_are_named(tmp_path: Path, values: NDArray[Any], labels: Any, message: str) -> None:
    save(tmp_path, values, labels)
    with pytest.raises(RecordError, match=message):
        read(tmp_path)


def test_a_damaged_map_is_named(tmp_path: Path) -> None:
    save(tmp_path, street())
    content = (tmp_path / "maps/a.png").read_bytes()
    (tmp_path / "maps/a.png").write_bytes(content[:60])
    with pytest.raises(
        RecordError, match=r"a.png: the image is damaged or truncated .*; fetch the file again"
    ):
        read(tmp_path)
    with pytest.raises(RecordError, match=r"b.png: cannot be read"):
        read_label_map(tmp_path / "maps/b.png")
    with pytest.raises(RecordError, match="the folder cannot be listed"):
        list(read_mapillary(tmp_path / "config.json", tmp_path / "none", "", Tally()))


def test_codes_of_labels_are_those_of_their_masks() -> None:
    labels = np.random.default_rng(0).integers(0, 4, (23, 31)).astype(np.int32) * 1000
    codes = label_codes(labels)
    assert sorted(codes) == [0, 1000, 2000, 3000]
    for name, code in codes.items():
        assert code == encode_rle(labels == name)
