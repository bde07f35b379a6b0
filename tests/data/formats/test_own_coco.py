"""COCO files of one's own, as tools export them: categories, own instructions, boxes, and messages for faults."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instructsam.data.detect import find_reader_of_path
from instructsam.data.formats.labelled import BOX_INSTEAD, FAR_OUT, NO_OBJECTS
from instructsam.data.formats.reader import ReadOptions, RecordReader
from instructsam.data.formats.source import Tally
from instructsam.data.record import Record
from instructsam.data.record_source import RecordSource
from instructsam.errors import ConfigError, InputError, RecordError
from instructsam.structures.masks import encode_rle

from .helpers import areas, block, boxes, corners, picture, write

NAME_ALONE = ReadOptions(templates=("{category}",), negatives=False)


def image(key: Any, file: str, **more: Any) -> dict[str, Any]:
    return {"id": key, "file_name": file, "height": 6, "width": 10, **more}


def thing(key: Any, of_image: Any, category: Any = 1, **more: Any) -> dict[str, Any]:
    found = {"id": key, "image_id": of_image, "category_id": category, "segmentation": [corners(1, 1, 2, 2)]}
    return found | more


def coco(images: list[Any], annotations: list[Any], **more: Any) -> dict[str, Any]:
    names = [{"id": 1, "name": "mug", "supercategory": "dish"}, {"id": 2, "name": "wine_glass"}]
    return {"images": images, "annotations": annotations, "categories": names, **more}


def reader(
    folder: Path, value: Any, options: ReadOptions = NAME_ALONE, file: str = "instances.json"
) -> RecordReader:
    write(folder / file, value)
    return find_reader_of_path(str(folder), options)


def read(found: RecordReader, tally: Tally | None = None) -> list[Record]:
    return list(found.read(tally or Tally()))


def test_categories_become_instructions(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.png")
    value = coco(
        [image(1, "a.png"), image("two", "b.png")],
        [
            thing(1, 1, 2, segmentation=encode_rle(block(0, 0, 3, 3))),
            thing(2, 1),
            thing("x", "two", segmentation=[corners(5, 2, 4, 2)]),
            thing(4, 1, segmentation=[corners(6, 1, 2, 2)]),
            thing(5, 1, iscrowd=1, segmentation=[corners(0, 4, 9, 2)]),
            thing(6, "two", 2, iscrowd=1),
        ],
    )
    tally = Tally()
    found = reader(tmp_path, value)
    first, second, third = read(found, tally)
    assert (first.image.file, third.image.file) == ("images/a.png", "b.png")  # the second is nowhere
    assert [one.instruction for one in (first, second, third)] == ["mug", "wine glass", "mug"]
    assert boxes(first) == [[(1, 1, 2, 2), (6, 1, 2, 2)]]
    assert (len(first.crowds), second.crowds) == (1, ())
    assert areas(second) == [9]
    assert list(tally.left_out.values()) == [1]  # glasses in a crowd alone
    assert found.vocabulary is not None
    assert found.vocabulary.shown == {"images/a.png": {"mug", "wine glass"}, "b.png": {"mug", "wine glass"}}
    assert found.vocabulary.groups == {"mug": "dish", "wine glass": ""}


def test_instructions_of_annotations_images_and_a_file(tmp_path: Path) -> None:
    value = coco(
        [
            image(
                1, "a.png", instruction=["everything", {"instruction": "what I hold", "annotation_ids": []}]
            ),
            image(2, "b.png", instruction="the lot"),
        ],
        [
            thing(1, 1, instruction="the wet ones"),
            thing(2, 1, 2, instruction=["the wet ones", "the tall one"], segmentation=[corners(5, 1, 2, 3)]),
        ],
    )
    (tmp_path / "instructions.csv").write_text(
        'image,instruction,annotation_ids\na.png,"left, or not",1 2\n2,none,\n'
    )
    own = [one for one in read(reader(tmp_path, value)) if one.family != "category"]
    assert {one.instruction: [(p.text, len(p.instances)) for p in one.phrases] for one in own} == {
        "the wet ones": [("mug", 1), ("wine glass", 1)],
        "the tall one": [("wine glass", 1)],
        "everything": [("mug", 1), ("wine glass", 1)],
        "what I hold": [("what I hold", 0)],
        "left, or not": [("mug", 1), ("wine glass", 1)],
        "the lot": [("the lot", 0)],
        "none": [("none", 0)],
    }
    rows = [
        '{"image": 1, "instruction": "a", "annotation_ids": [2]}',
        "",
        '{"image": "b.png", "instruction": "b"}',
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(rows))
    options = ReadOptions(templates=(), instructions=tmp_path / "own.jsonl")
    counts = {
        one.instruction: len(one.phrases[0].instances) for one in read(reader(tmp_path, value, options))
    }
    assert (counts["a"], counts["b"]) == (1, 0)
    assert len({one.id for one in read(reader(tmp_path, value))}) == 9


def test_objects_without_a_usable_mask_keep_their_boxes(tmp_path: Path) -> None:
    value = coco(
        [image(1, "a.png")],
        [
            thing(1, 1, segmentation=[], bbox=[8, 4, 2, 2]),
            thing(2, 1, 2, segmentation={"size": [9, 9], "counts": [81]}, bbox=[1, 1, 2, 2]),
        ],
    )
    tally = Tally()
    mug, glass = read(reader(tmp_path, value), tally)
    assert mug.phrases[0].instances[0].rle is None
    assert boxes(mug) == [[(8, 4, 2, 2)]]
    assert boxes(glass) == [[(1, 1, 2, 2)]]
    assert tally.left_out == {BOX_INSTEAD: 1}
    value["annotations"][0]["bbox"] = [3, 2, 10, 6]  # corners
    tally = Tally()
    assert boxes(read(reader(tmp_path, value), tally)[0]) == [[(3, 2, 7, 4)]]
    assert tally.left_out[FAR_OUT] == 1
    value["annotations"][0]["bbox"] = [8, 4, 0, 2]
    tally = Tally()
    assert [one.instruction for one in read(reader(tmp_path, value), tally)] == ["wine glass"]
    assert sum(tally.left_out.values()) == 2  # the box of one, the mask of the other


def test_images_without_objects_are_negatives(tmp_path: Path) -> None:
    value = coco([image(1, "a.png"), image(2, "b.png")], [thing(1, 1)])
    options = ReadOptions(templates=("{category}",))
    assert [(one.instruction, boxes(one)) for one in read(reader(tmp_path, value, options))] == [
        ("mug", [[(1, 1, 2, 2)]]),
        ("mug", [[]]),  # no image shows a glass: it may be a label that nobody used
    ]
    tally = Tally()
    assert len(read(reader(tmp_path, value), tally)) == 1
    assert tally.left_out == {NO_OBJECTS: 1}


def test_a_roboflow_export_is_read_by_split(tmp_path: Path) -> None:
    value = coco([image(0, "a_jpg.rf.1.jpg")], [thing(0, 0)])
    value["categories"] = [
        {"id": 0, "name": "dishes", "supercategory": "none"},
        {"id": 1, "name": "mug", "supercategory": "dishes"},
    ]
    picture(tmp_path / "train/a_jpg.rf.1.jpg")
    found = reader(tmp_path, value, file="train/_annotations.coco.json")
    assert [found.images.has(one.image.file) for one in read(found)] == [True]
    assert found.vocabulary is not None
    assert found.vocabulary.used == ("mug",)
    value["images"][0]["file_name"] = "v.jpg"
    write(tmp_path / "valid/_annotations.coco.json", value)
    (one,) = read(find_reader_of_path(f"{tmp_path}:val", NAME_ALONE))
    assert one.image.file == "v.jpg"
    with pytest.raises(ConfigError, match=r"data of a known format with a split 'test'"):
        find_reader_of_path(f"{tmp_path}:test", NAME_ALONE)


def test_a_cvat_export_with_brush_masks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    brushed = {"iscrowd": 1, "segmentation": {"size": [6, 10], "counts": [0, 2, 58]}}
    value = coco(
        [image(1, "sub/a.png")],
        [thing(1, 1, attributes={"occluded": False}, **brushed), thing(2, 1, attributes={"occluded": True})],
    )
    picture(tmp_path / "images/sub/a.png")
    found = reader(tmp_path, value, file="annotations/instances_default.json")
    with caplog.at_level(logging.WARNING):
        (one,) = read(found)
    assert (one.image.file, areas(one), one.crowds) == ("images/sub/a.png", [2, 4], ())
    assert "all 1 run-length codes are marked iscrowd, as CVAT marks brush masks" in caplog.text
    value["annotations"][0]["attributes"] = {}
    (one,) = read(reader(tmp_path, value, file="annotations/instances_default.json"))
    assert (areas(one), len(one.crowds)) == ([4], 1)


@pytest.mark.parametrize(
    "name",
    [
        "images\\a b.png",
        "..\\..\\media\\upload\\4\\a b.png",
        "/data/local-files/?d=x/a%20b.png",
        "C:\\pics\\a b.png",
        "http://host:80/data/upload/1/a%20b.png",
        "/mnt/pictures/a b.png",
    ],
)
def test_a_label_studio_export_finds_its_images(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "images/a b.png", (10, 6))
    value = coco([image(0, name, height=None, width=None)], [thing(0, 0, bbox=[1, 1, 3, 3], segmentation=[])])
    found = reader(tmp_path, value, file="result.json")
    (one,) = read(found)
    assert (one.image.file, one.image.height, one.image.width) == ("images/a b.png", 6, 10)
    assert found.images.load(one).shape == (6, 10, 3)


def test_a_rotated_photo_is_taken_upright(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[274] = 6  # a quarter turn
    Image.new("RGB", (6, 10), "gray").save(tmp_path / "a.jpg", exif=turned)
    value = coco([image(1, "a.jpg", height=None)], [thing(1, 1)])
    found = reader(tmp_path, value)
    assert found.images.load(read(found)[0]).shape == (6, 10, 3)
    value["images"][0].update(height=10, width=6)
    found = reader(tmp_path, value)
    with pytest.raises(InputError, match="because its EXIF orientation rotates it"):
        RecordSource("x", found.images, found.read(Tally()), 8)[0]


FAULTS: dict[str, tuple[Any, str]] = {
    "image": (
        coco([image(1, "a.png")], [thing(1, 7)]),
        r"annotations\[0\].image_id: expected the id of one of the ima",
    ),
    "category": (
        coco([image(1, "a.png")], [thing(1, 1, 7)]),
        r"category_id: expected the id of one of the categories",
    ),
    "twice": (
        coco([image(1, "a.png"), image(1, "b.png")], []),
        r"images\[1\].id: expected an id that images uses once",
    ),
    "box": (
        coco([image(1, "a.png")], [thing(1, 1, bbox=[1, 2])]),
        r"bbox: expected a box \[x, y, width, height\]",
    ),
    "file": (
        coco([{"id": 1, "height": 6, "width": 10}], []),
        r"images\[0\]: the field 'file_name' is missing",
    ),
    "ids": (
        coco([image(1, "a.png", instruction=[{"instruction": "x", "annotation_ids": [9]}])], [thing(1, 1)]),
        r"expected ids of annotations of the image 'a.png', got '9'; it has 1",
    ),
}


@pytest.mark.parametrize(("value", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_its_place(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        read(reader(tmp_path, value))


def test_a_row_about_an_unknown_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "instructions.csv").write_text("image,instruction\nc.png,all\n")
    with pytest.raises(
        RecordError, match=r"instructions.csv, at line 2.image: expected the file_name or id of one"
    ):
        read(reader(tmp_path, coco([image(1, "a.png")], [])))


@pytest.mark.parametrize("names", [("x/a.png", "y/a.png"), ("a.png", "a.png")])
def test_two_images_are_never_one_file(tmp_path: Path, names: tuple[str, str]) -> None:
    picture(tmp_path / "a.png")
    value = coco([image(1, names[0]), image(2, names[1])], [thing(1, 1)])
    with pytest.raises(RecordError, match=r"a file of its own, but 'a.png' is named before, .*images\[0\]"):
        read(reader(tmp_path, value))


def test_what_an_instruction_names_is_not_absent(tmp_path: Path) -> None:
    images = [image(number, f"{number}.png") for number in (1, 2)]
    things = [thing(1, 1, instruction="the Wine Glasses here"), thing(2, 2, 2)]
    found = reader(tmp_path, coco(images, things))
    read(found)
    assert found.vocabulary is not None
    assert [found.vocabulary.absent(f"{number}.png") for number in (1, 2)] == [(), ("mug",)]


def test_a_file_is_read_twice(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    found = reader(tmp_path, coco([image(1, "a.png")], [thing(1, 1)]))
    assert read(found) == read(found)


@pytest.mark.parametrize(("row", "fields"), [("a.png,x,1,2", 4), ("a.png,x", 2)])
def test_a_row_of_another_length_is_refused(tmp_path: Path, row: str, fields: int) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "instructions.csv").write_text(f"image,instruction,annotation_ids\n{row}\n")
    with pytest.raises(RecordError, match=rf"line 2: expected 3 fields as in the first line, got {fields};"):
        read(reader(tmp_path, coco([image(1, "a.png")], [thing(1, 1), thing(2, 1)])))


def test_an_image_whose_size_is_unknown_must_be_there(tmp_path: Path) -> None:
    value = coco([image(1, "a.png", height=0), image(2, "b.png")], [thing(1, 2)])
    with pytest.raises(
        RecordError, match=r"images\[0\]: height and width are not stated, .*a.png: there is no such"
    ):
        read(reader(tmp_path, value))
    tally = Tally()
    assert len(read(reader(tmp_path, value, ReadOptions(skip_missing=True)), tally)) == 1
    assert sum(tally.left_out.values()) == 1


def test_several_coco_files_are_not_guessed_among(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        write(tmp_path / name, coco([], []))
    with pytest.raises(ConfigError, match=r"holds 2 COCO files: name one of them"):
        find_reader_of_path(str(tmp_path), NAME_ALONE)
    (tmp_path / "b.json").write_text("{}")
    assert find_reader_of_path(str(tmp_path), NAME_ALONE).format == "COCO JSON"
