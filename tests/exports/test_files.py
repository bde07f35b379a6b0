"""Every format that writes files: hostile labels and names, nothing half-written, flat memory, exact round trips."""

from __future__ import annotations

import base64
import io
import json
import os
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO

from instructsam.data.detect import find_reader_of_path
from instructsam.data.formats.reader import ReadOptions
from instructsam.data.formats.source import Tally
from instructsam.errors import InputError
from instructsam.exports import export, export_all
from instructsam.exports.grouping import labelled_images
from instructsam.structures.masks import decode_rle
from instructsam.structures.predictions import Prediction
from tests.exports.made import HOSTILE_LABELS, prediction
from tests.exports.test_polygons import fill

FORMATS = ("coco", "yolo", "png", "cvat", "labelme")
SIZE = (40, 50)


def masks() -> NDArray[np.bool_]:
    """One pixel, all pixels, parts with holes, a mask at every border, and one without pixels."""
    found = np.zeros((5, *SIZE), np.bool_)
    found[0, 7, 9] = True
    found[1] = True
    found[2, 5:20, 5:20], found[2, 8:12, 8:12], found[2, 30:35, 30:45] = True, False, True
    found[3, [0, -1]] = found[3, :, [0, -1]] = True
    return found


def pictures(folder: Path, count: int = 3) -> list[Prediction]:
    """Predictions about images in subfolders with equal stems."""
    found = []
    for number in range(count):
        path = folder / f"set {number % 2}" / f"photo é {number // 2}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", SIZE[::-1], (number, 80, 90)).save(path)
        found.append(
            prediction(masks(), ("mug", "red plate"), phrase_ids=[0, 1, 0, 1, 0], image_path=str(path))
        )
    return found


def read_coco(path: Path) -> COCO:
    with redirect_stdout(io.StringIO()):
        return COCO(str(path))


@pytest.mark.parametrize("coding", ["rle", "polygon"])
def test_coco_reads_the_masks_back(tmp_path: Path, coding: str) -> None:
    target = tmp_path / "out" / "coco.json"
    export(
        [*pictures(tmp_path), prediction(masks=0)], "coco", target, coding=coding, tolerance=0, root=tmp_path
    )
    read = read_coco(target)
    assert [image["file_name"] for image in read.dataset["images"]] == [
        "set 0/photo é 0.jpg",
        "set 1/photo é 0.jpg",
        "set 0/photo é 1.jpg",
        "image_000004.png",
    ]
    assert [(row["id"], row["name"]) for row in read.dataset["categories"]] == [(1, "mug"), (2, "red plate")]
    annotations = read.imgToAnns[2]
    assert [(row["category_id"], row["iscrowd"]) for row in annotations] == [(1, 0), (2, 0), (1, 0), (2, 0)]
    assert [row["score"] for row in annotations] == pytest.approx([0.9, 0.8, 0.7, 0.6])
    for row, mask in zip(annotations, masks(), strict=False):
        rle = read.annToRLE(row)
        assert np.array_equal(decode_rle(rle), mask)
        assert row["area"] == mask.sum()
    assert len({row["id"] for row in read.dataset["annotations"]}) == 12


def test_coco_results_are_scored_against_the_dataset(tmp_path: Path) -> None:
    given = pictures(tmp_path)
    export(given, "coco", tmp_path / "truth.json")
    export(given, "coco", tmp_path / "results.json", results=True)
    with redirect_stdout(io.StringIO()):
        found = read_coco(tmp_path / "truth.json").loadRes(str(tmp_path / "results.json"))
    assert len(found.getAnnIds()) == 12
    rows = json.loads((tmp_path / "results.json").read_text())
    assert rows[0]["phrase"] == "mug"
    export([], "coco", tmp_path / "none.json", results=True)
    assert json.loads((tmp_path / "none.json").read_text()) == []


def test_coco_in_memory_is_the_file(tmp_path: Path) -> None:
    given = [prediction(phrases=("a", "b"), phrase_ids=[1, 0])]
    export(given, "coco", tmp_path / "coco.json")
    assert json.loads((tmp_path / "coco.json").read_text()) == export(given, "coco", results=False)
    export([], "coco", tmp_path / "empty.json")
    assert read_coco(tmp_path / "empty.json").dataset["images"] == []


@pytest.mark.parametrize("name", ["coco", "yolo", "png", "cvat"])
def test_given_classes_keep_their_order_and_refuse_others(tmp_path: Path, name: str) -> None:
    given = prediction(phrases=("mug",), image=Image.new("RGB", (6, 4)))
    export(given, name, tmp_path / "a", classes=["plate", "mug"])
    with pytest.raises(InputError, match=r"label 'mug', which is not among the 1 classes \('plate'"):
        export(given, name, tmp_path / "b", classes=["plate"])
    with pytest.raises(InputError, match=r"option classes .*: expected each class once, got 'a' twice"):
        export(given, name, tmp_path / "b", classes=["a", "a"])
    with pytest.raises(InputError, match="option classes of the format"):
        export(given, name, tmp_path / "b", classes=[])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("parts", ["join", "split"])
def test_yolo_is_read_by_our_reader(tmp_path: Path, parts: str) -> None:
    export(pictures(tmp_path), "yolo", tmp_path / "yolo", tolerance=0, parts=parts, root=tmp_path)
    options = ReadOptions(templates=("{category}",), negatives=False)
    records = list(find_reader_of_path(str(tmp_path / "yolo"), options).read(Tally()))
    assert len(records) == 6
    for record in records:
        found = [instance.rle for phrase in record.phrases for instance in phrase.instances]
        expected = masks()[[0, 2] if record.instruction == "mug" else [1, 3]]
        drawn = np.array([decode_rle(rle) for rle in found if rle is not None])
        if parts == "join":
            assert np.array_equal(drawn, expected)
        else:
            assert np.array_equal(drawn.any(axis=0), expected.any(axis=0))
    link = tmp_path / "yolo" / "images" / "set 0" / "photo é 0.jpg"
    assert link.is_symlink()
    assert link.read_bytes() == (tmp_path / "set 0" / "photo é 0.jpg").read_bytes()


def test_yolo_keeps_labels_beside_images_of_equal_stems(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "images/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 4)).save(tmp_path / name)
    names = ("a.jpg", "a.png", "images/a.jpg")
    given = [prediction(image_path=str(tmp_path / name)) for name in names]
    export(given, "yolo", tmp_path / "yolo", images="copy", root=tmp_path)
    files = sorted(p.relative_to(tmp_path / "yolo").as_posix() for p in (tmp_path / "yolo").rglob("*.*"))
    assert files == [
        ".instructsam-export.json",
        "data.yaml",
        "images/a-2.png",
        "images/a.jpg",
        "images/images_/a.jpg",
        "labels/a-2.txt",
        "labels/a.txt",
        "labels/images_/a.txt",
    ]
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(InputError, match=r"a\.jpg: the image file is missing: fetch it, or .* images='none'"):
        export(given, "yolo", tmp_path / "again")


def test_png_maps_masks_and_cutouts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    picture = Image.effect_noise(SIZE[::-1], 90).convert("RGB")
    given = prediction(masks(), ("mug",), image=picture)
    export(given, "png", tmp_path / "png", content="all")
    (image,) = json.loads((tmp_path / "png" / "legend.json").read_text())["images"]
    values = np.array(Image.open(tmp_path / "png" / image["map"]))
    assert values.dtype == np.uint8
    assert values[7, 9] == 1
    assert values[0, 0] == 2  # of the highest score
    for entry, mask in zip(image["instances"], masks(), strict=False):
        assert np.array_equal(np.array(Image.open(tmp_path / "png" / entry["mask"])), mask * np.uint8(255))
        left, top, right, bottom = entry["box_xyxy"]
        cut = np.array(Image.open(tmp_path / "png" / entry["cutout"]))
        assert np.array_equal(cut[..., 3] > 0, mask[top:bottom, left:right])
        assert np.array_equal(cut[..., :3], np.array(picture)[top:bottom, left:right])
    assert "png: instances without pixels are left out (1)" in caplog.text
    assert (
        "png: instances are covered by others of a higher score and have no pixel in their label map (2)"
        in caplog.text
    )


def test_png_maps_of_many_instances_have_16_bits(tmp_path: Path) -> None:
    many = np.zeros((300, 20, 20), np.bool_)
    many[np.arange(300), np.arange(300) // 20, np.arange(300) % 20] = True
    export(prediction(many), "png", tmp_path / "png")
    values = np.array(Image.open(tmp_path / "png" / "maps" / "image_000001.png"))
    assert np.array_equal(values.ravel()[:300], np.arange(1, 301))


@pytest.mark.parametrize("coding", ["rle", "polygon"])
def test_cvat_holds_the_masks(tmp_path: Path, coding: str) -> None:
    export(pictures(tmp_path), "cvat", tmp_path / "cvat.xml", coding=coding, tolerance=0, root=tmp_path)
    top = ElementTree.parse(tmp_path / "cvat.xml").getroot()
    assert [label.findtext("name") for label in top.iter("label")] == ["mug", "red plate"]
    images = list(top.iter("image"))
    assert [image.get("name") for image in images][:2] == ["set 0/photo é 0.jpg", "set 1/photo é 0.jpg"]
    drawn = [np.zeros(SIZE, np.bool_) for _ in range(4)]
    if coding == "rle":
        for mask, element in zip(drawn, images[0], strict=True):
            mask[:] = _cvat_mask(element)
    else:
        for number, element in zip((0, 1, 2, 2, 3), images[0], strict=True):
            ring = np.array([point.split(",") for point in str(element.get("points")).split(";")], np.float64)
            drawn[number] |= fill([ring], SIZE)
    assert np.array_equal(drawn, masks()[:4])


def _cvat_mask(element: ElementTree.Element) -> NDArray[np.bool_]:
    """The mask of run lengths in a box, as CVAT reads it."""
    left, top, width, height = (int(str(element.get(name))) for name in ("left", "top", "width", "height"))
    runs = [int(run) for run in str(element.get("rle")).split(", ")]
    found = np.zeros(SIZE, np.bool_)
    found[top : top + height, left : left + width] = np.repeat(np.arange(len(runs)) % 2, runs).reshape(
        height, width
    )
    return found


@pytest.mark.parametrize("coding", ["polygon", "mask"])
def test_labelme_holds_the_masks(tmp_path: Path, coding: str) -> None:
    export(pictures(tmp_path), "labelme", tmp_path / "out", coding=coding, tolerance=0, root=tmp_path)
    document = json.loads((tmp_path / "out" / "set 1" / "photo é 0.json").read_text())
    assert (tmp_path / "out" / "set 1" / document["imagePath"]).is_file()
    assert (document["imageHeight"], document["imageWidth"]) == SIZE
    groups: dict[Any, NDArray[np.bool_]] = {}
    for number, shape in enumerate(document["shapes"]):
        mask = _labelme_mask(shape)
        key = shape["group_id"] or -number
        groups[key] = groups.get(key, False) | mask
    assert np.array_equal(list(groups.values()), masks()[:4])


def _labelme_mask(shape: dict[str, Any]) -> NDArray[np.bool_]:
    if shape["shape_type"] == "polygon":
        return fill([np.array(shape["points"])], SIZE)
    (left, top), (right, bottom) = shape["points"]
    found = np.zeros(SIZE, np.bool_)
    cut = np.array(Image.open(io.BytesIO(base64.b64decode(shape["mask"]))))
    found[top : bottom + 1, left : right + 1] = cut > 0
    return found


@pytest.mark.parametrize("images", ["embed", "none", "copy"])
def test_labelme_finds_the_image(tmp_path: Path, images: str) -> None:
    export(pictures(tmp_path, 1), "labelme", tmp_path / "out", images=images, root=tmp_path)
    document = json.loads((tmp_path / "out" / "set 0" / "photo é 0.json").read_text())
    place = tmp_path / "out" / "set 0" / document["imagePath"]
    assert place.is_file() == (images != "embed")
    assert (document["imageData"] is not None) == (images == "embed")
    if images == "none":
        assert place.resolve() == tmp_path / "set 0" / "photo é 0.jpg"


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_labels_and_names_are_text(tmp_path: Path, name: str) -> None:
    count = len(HOSTILE_LABELS)
    given = prediction(
        masks=count,
        phrases=HOSTILE_LABELS,
        phrase_ids=list(range(count)),
        image_path='../x<&"\n/🦊\x07.png',
        instruction=HOSTILE_LABELS[1],
    )
    options = {"images": "none"} if name in ("yolo", "labelme") else {}
    (path,) = export(given, name, tmp_path / "out", **options)
    if name == "coco":
        assert [row["name"] for row in read_coco(path).dataset["categories"]] == list(HOSTILE_LABELS)
    elif name == "yolo":
        data = yaml.safe_load((path / "data.yaml").read_text())
        assert list(data["names"].values()) == list(HOSTILE_LABELS)
    elif name == "png":
        assert list(json.loads((path / "legend.json").read_text())["classes"]) == list(HOSTILE_LABELS)
    elif name == "cvat":
        labels = [label.findtext("name") for label in ElementTree.parse(path).iter("label")]
        assert labels == list(HOSTILE_LABELS)
        masks_in = [element.get("label") for element in ElementTree.parse(path).iter("mask")]
        assert masks_in == list(HOSTILE_LABELS)
    else:
        (file,) = path.glob("x*/*.json")
        assert [shape["label"] for shape in json.loads(file.read_text())["shapes"]] == list(HOSTILE_LABELS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", FORMATS)
def test_an_exception_leaves_the_earlier_export(tmp_path: Path, name: str) -> None:
    target = tmp_path / "out"
    export(prediction(image=Image.new("RGB", (6, 4))), name, target)
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()} or target.read_bytes()

    def failing() -> Iterator[Prediction]:
        yield prediction(masks=1, image=Image.new("RGB", (6, 4)))
        yield prediction(masks=1, image=Image.new("RGB", (6, 4)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(failing(), name, target)
    after = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()} or target.read_bytes()
    assert after == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    export(prediction(masks=0), name, target)  # an earlier export is replaced


@pytest.mark.parametrize("name", ["yolo", "png", "labelme"])
def test_folders_with_other_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="expected a new or empty folder, or one with an earlier export"):
        export(prediction(), name, tmp_path)
    with pytest.raises(InputError, match="expected a folder"):
        export(prediction(), name, tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["yolo", "png", "labelme"])
def test_corrected_exports_are_not_replaced(tmp_path: Path, name: str) -> None:
    given = prediction(image=Image.new("RGB", (6, 4)))
    export(given, name, tmp_path / "out")
    corrected = next(path for path in (tmp_path / "out").rglob("image_*.*") if path.is_file())
    os.utime(corrected, ns=(time.time_ns() + 10**9,) * 2)
    with pytest.raises(InputError, match=r"image_.* was changed or added after the export: choose another"):
        export(given, name, tmp_path / "out")
    corrected.unlink()
    export(given, name, tmp_path / "out")
    assert corrected.is_file()


def test_many_images_stream(tmp_path: Path) -> None:
    side = 400

    def stream() -> Iterator[Prediction]:
        for number in range(1000):
            mask = np.zeros((1, side, side), np.bool_)
            mask[0, 10 : 20 + number % 50, 5:30] = True
            yield prediction(mask, image_path=f"/data/{number}.jpg")

    tracemalloc.start()
    report = export_all(labelled_images(stream()), ["coco", "yolo", "cvat"], tmp_path, {"images": "none"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (report.images, report.instances) == (1000, 1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco.json", "cvat.xml", "yolo"]
    assert peak < 25 * side * side  # not 1000 masks


def test_several_formats_are_written_or_none(tmp_path: Path) -> None:
    images = list(labelled_images([prediction()]))
    with pytest.raises(InputError, match="the image was not kept and has no file"):
        export_all(images, ["coco", "png"], tmp_path, {"content": "cutouts"})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(
        InputError, match="the formats coco, yolo have no option 'speed'; options: classes, coding"
    ):
        export_all(images, ["coco", "yolo"], tmp_path, {"speed": 1})
    report = export_all(images, ["coco", "yolo"], tmp_path, {"tolerance": 0.5})
    assert report.paths == {"coco": tmp_path / "coco.json", "yolo": tmp_path / "yolo"}
    assert report.notes == ("yolo: images are not in the export: they were not kept and have no file (1)",)
