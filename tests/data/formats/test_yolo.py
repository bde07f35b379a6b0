"""YOLO labels: outlines and boxes, the layouts that tools write, and messages for faults."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructsam.data.detect import find_reader_of_path, validation_split
from instructsam.data.formats.boxes import clip_box
from instructsam.data.formats.labelled import NO_OBJECTS
from instructsam.data.formats.reader import ReadOptions
from instructsam.data.formats.source import Tally
from instructsam.data.formats.yolo import read_rows
from instructsam.data.record import ImageRef, Record
from instructsam.errors import ConfigError, ImageError, InputError, RecordError

from .helpers import areas, boxes, picture

NAME_ALONE = ReadOptions(templates=("{category}",), negatives=False)
OUTLINE, BOX = "0 0.1 0.1667 0.3 0.1667 0.3 0.5 0.1 0.5\n", "1 0.5 0.5 0.2 1.0\n"


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(path: Path | str, options: ReadOptions = NAME_ALONE, tally: Tally | None = None) -> list[Record]:
    found = find_reader_of_path(str(path), options)
    assert found.format == "YOLO labels"
    records = list(found.read(tally or Tally()))
    assert all(found.images.load(one).shape == (one.image.height, one.image.width, 3) for one in records)
    return records


def test_outlines_boxes_and_images_without_labels(tmp_path: Path) -> None:
    put(
        tmp_path / "data.yaml",
        "path: .\ntrain: images/train\nval: images/val\nnames: {0: coffee_mug, 1: key}\n",
    )
    for name in ("train/sub/a.png", "train/b.png", "train/c.JPG", "val/d.png"):
        picture(tmp_path / "images" / name)
    put(tmp_path / "labels/train/sub/a.txt", OUTLINE + BOX + "\n")
    put(tmp_path / "labels/train/b.txt", "")
    put(tmp_path / "labels/val/d.txt", BOX)
    tally = Tally()
    mug, key = read(tmp_path, tally=tally)
    assert (mug.image.file, mug.image.height, mug.image.width) == ("sub/a.png", 6, 10)
    assert (mug.instruction, boxes(mug), areas(mug)) == ("coffee mug", [[(1, 1, 2, 2)]], [4])
    assert (key.instruction, boxes(key), key.phrases[0].instances[0].rle) == ("key", [[(4, 0, 2, 6)]], None)
    assert tally.left_out == {NO_OBJECTS: 2}
    assert [len(one.phrases[0].instances) for one in read(tmp_path, ReadOptions())] == [0, 0, 1, 1]
    assert [one.image.file for one in read(f"{tmp_path / 'data.yaml'}:valid")] == ["d.png"]
    assert validation_split(str(tmp_path)) == f"{tmp_path}:val"
    assert validation_split(f"{tmp_path}:val") == validation_split("nowhere") == ""


@pytest.mark.parametrize("folder", ["../train/images", "/content/shop-3/train/images", "train\\images"])
def test_folders_of_another_machine_are_found(tmp_path: Path, folder: str) -> None:
    put(tmp_path / "data.yaml", f"train: {folder}\nval: ../valid/images\nnc: 2\nnames: ['mug', 'key']\n")
    picture(tmp_path / "train/images/a.png")
    put(tmp_path / "train/labels/a.txt", BOX)
    (one,) = read(tmp_path)
    assert (one.instruction, one.image.file) == ("key", "a.png")


def test_a_list_of_images_and_a_folder_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "shop.yml", "path: /not/here\ntrain: [train.txt, more]\nnames: [mug, key]\n")
    put(tmp_path / "train.txt", "./images/x/a.png\ndata/images/x/b.png\n")
    for name in ("images/x/a.png", "images/x/b.png", "more/c.png"):
        picture(tmp_path / name)
        put(tmp_path / name.replace("images", "labels").replace("png", "txt"), OUTLINE)
    assert [one.image.file for one in read(tmp_path)] == ["images/x/a.png", "images/x/b.png", "more/c.png"]


@pytest.mark.parametrize(
    ("names", "image", "label"),
    [
        ("classes.txt", "images/a.png", "labels/a.txt"),  # Label Studio
        ("obj.names", "obj_train_data/a.png", "obj_train_data/a.txt"),  # CVAT, YOLO 1.1
        ("classes.txt", "train/images/a.png", "train/labels/a.txt"),
    ],
)
def test_folders_without_a_yaml(tmp_path: Path, names: str, image: str, label: str) -> None:
    put(tmp_path / names, "mug\nkey\n")
    picture(tmp_path / image)
    put(tmp_path / label, OUTLINE)
    (one,) = read(tmp_path)
    assert (one.instruction, one.image.file) == ("mug", "a.png")
    assert validation_split(str(tmp_path)) == ""


def shop(folder: Path, rows: str, names: str = "[mug, key]", more: str = "") -> Path:
    put(folder / "data.yaml", f"train: images\nnames: {names}\n{more}")
    picture(folder / "images/a.png")
    put(folder / "labels/a.txt", rows)
    return folder


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "7 0.5 0.5 0.1 0.1",
            r"a.txt, line 1: expected the number of one of the 2 classes, from 0 to 1, got 7",
        ),
        (BOX + "0 0.5 0.5 0.1", r"line 2: expected a class and a box \(5 numbers\) .* got 4 numbers"),
        ("0 0.1 0.2 0.3 0.4 0.5 0.6 0.7", r"got 8 numbers"),
        ("0 50 50 10 10", r"expected coordinates in \[0, 1\], as fractions .* got '0 50 50 10 10'"),
        ("0 0.5 nan 0.1 0.1", r"expected coordinates in"),
        ("mug 0.5 0.5 0.1 0.1", r"expected numbers, got 'mug"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        read(shop(tmp_path, rows))


def test_faults_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"labels with keypoints \(kpt_shape\)"):
        read(shop(tmp_path, BOX, more="kpt_shape: [17, 3]\n"))
    with pytest.raises(RecordError, match=r"names: expected class names, or a mapping"):
        read(shop(tmp_path, BOX, names="{mug: 0}"))
    put(tmp_path / "data.yaml", "train: photos\nnames: [mug]\n")
    with pytest.raises(
        ConfigError, match=r"train: there is no folder or list of images 'photos', looked for"
    ):
        read(tmp_path)
    (shop(tmp_path, BOX) / "labels/a.txt").unlink()
    with pytest.raises(
        ConfigError, match=r"none of 1 images has labels: expected them beside .*labels/a.txt"
    ):
        read(tmp_path)
    (tmp_path / "images/a.png").unlink()
    with pytest.raises(ConfigError, match=r"there are no images for the split 'train'"):
        read(tmp_path)
    (shop(tmp_path, BOX) / "images/a.png").write_text("text")
    with pytest.raises(ImageError, match="this is not an image"):
        read(tmp_path)
    tally = Tally()
    assert read(tmp_path, ReadOptions(skip_missing=True), tally) == []
    assert sum(tally.left_out.values()) == 1


@pytest.mark.parametrize("names", ["[no, 1e3]", "{0: no, 1: 1e3}"])
def test_class_names_are_the_text_of_the_file(tmp_path: Path, names: str) -> None:
    found = read(shop(tmp_path, OUTLINE + BOX, names=names))
    assert [record.instruction for record in found] == ["no", "1e3"]


def test_a_data_yaml_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    put(tmp_path / "notes.yaml", "[")
    put(tmp_path / "data.yaml", "names: [")
    with pytest.raises(RecordError, match=r"data.yaml: cannot be read as YAML"):
        find_reader_of_path(str(tmp_path), NAME_ALONE)


def test_a_path_of_no_format_lists_the_formats(tmp_path: Path) -> None:
    put(tmp_path / "notes.yaml", "names: [a]\n")
    with pytest.raises(
        InputError, match=r"data of a known format: Inst2Seg records \(.*COCO JSON \(.*YOLO labels \("
    ):
        find_reader_of_path(str(tmp_path), NAME_ALONE)
    with pytest.raises(ConfigError, match=r"data.source: there is no file or folder"):
        find_reader_of_path(str(tmp_path / "none"), NAME_ALONE)


words = st.sampled_from(
    ["0", "1", "7", "-1", "0.5", "1.04", "2", "nan", "1e400", "x", "0.1", "0.9", "", "\x00"]
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(words, max_size=8).map(" ".join), max_size=3))
def test_any_row_is_read_or_named(tmp_path: Path, rows: list[str]) -> None:
    file = put(tmp_path / "a.txt", "\n".join(rows))
    image, found = ImageRef("a.png", 6, 10), []
    with suppress(RecordError):
        found = read_rows(file, {0: "mug", 1: "key"})
    for row in found:
        box = clip_box(row.box(image), image)
        assert box is None or (min(box[:2]) >= 0 and box[0] + box[2] < 10.001 and box[1] + box[3] < 6.001)
