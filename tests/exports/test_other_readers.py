"""The programs that read these files give the masks again; run where they are installed.

pip install datumaro labelme ultralytics opencv-python-headless
python -m pytest tests/exports/test_other_readers.py
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from instructsam.exports import export
from tests.exports.made import HOSTILE_LABELS, prediction

SIZE = (40, 60)


@pytest.fixture
def masks() -> NDArray[np.bool_]:
    """One pixel, all pixels, a frame at the border, and a disc with a hole."""
    found = np.zeros((4, *SIZE), np.bool_)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    found[0, 7, 9] = found[1] = True
    found[2, [0, -1]] = found[2, :, [0, -1]] = True
    found[3] = ((x - 30) ** 2 + (y - 20) ** 2 < 15**2) & ((x - 25) ** 2 + (y - 20) ** 2 > 5**2)
    return found


def write(masks: NDArray[np.bool_], name: str, folder: Path, **options: object) -> Path:
    picture = folder / "in" / "a.png"
    picture.parent.mkdir()
    Image.new("RGB", SIZE[::-1]).save(picture)
    given = prediction(masks, HOSTILE_LABELS[:4], phrase_ids=[0, 1, 2, 3], image_path=str(picture))
    (path,) = export(given, name, folder / "out", tolerance=0, **options)
    return Path(path)


@pytest.mark.parametrize("coding", ["rle", "polygon"])
def test_datumaro_reads_cvat(tmp_path: Path, masks: NDArray[np.bool_], coding: str) -> None:
    datumaro = pytest.importorskip("datumaro")
    cv2 = pytest.importorskip("cv2")
    path = write(masks, "cvat", tmp_path, coding=coding)
    shutil.copytree(tmp_path / "in", tmp_path / "set" / "images")
    shutil.copyfile(path, tmp_path / "set" / "annotations.xml")
    (item,) = datumaro.Dataset.import_from(str(tmp_path / "set"), "cvat")
    for annotation, mask in zip(item.annotations, masks, strict=True):
        drawn = np.zeros(SIZE, np.uint8)
        if coding == "rle":
            drawn = np.asarray(annotation.image)
        else:
            cv2.fillPoly(drawn, [np.array(annotation.points).reshape(-1, 2).astype(np.int32)], 1)
        assert np.array_equal(drawn.astype(bool), mask)


@pytest.mark.parametrize("coding", ["mask", "polygon"])
def test_labelme_reads_its_files(tmp_path: Path, masks: NDArray[np.bool_], coding: str) -> None:
    labelme = pytest.importorskip("labelme")
    path = write(masks, "labelme", tmp_path, coding=coding)
    read = labelme.LabelFile(str(path / "a.json"))
    assert [shape["label"] for shape in read.shapes] == list(HOSTILE_LABELS[:4])
    for shape, mask in zip(read.shapes, masks, strict=True):
        if coding == "polygon":
            drawn = labelme.utils.shape_to_mask(SIZE, shape["points"], "polygon")
        else:
            drawn = np.zeros(SIZE, np.bool_)
            (left, top), (right, bottom) = np.array(shape["points"]).astype(int)
            drawn[top : bottom + 1, left : right + 1] = shape["mask"]
        assert np.array_equal(drawn, mask)


def test_ultralytics_reads_yolo(tmp_path: Path, masks: NDArray[np.bool_]) -> None:
    reader = pytest.importorskip("ultralytics.data.utils")
    path = write(masks, "yolo", tmp_path)
    names = reader.check_det_dataset(str(path / "data.yaml"))["names"]
    assert list(names.values()) == list(HOSTILE_LABELS[:4])
    image = str(path / "images" / "a.png")
    (label,) = reader.img2label_paths([image])
    _, classes, shape, segments, *_ = reader.verify_image_label((image, label, "", False, 4, 0, 0, False))
    assert classes[:, 0].tolist() == [0, 1, 2, 3]
    for segment, mask in zip(segments, masks, strict=True):
        corners = (segment * np.array(shape[::-1])).reshape(1, -1)
        assert np.array_equal(reader.polygon2mask(shape, list(corners)).astype(bool), mask)
