"""Names of categories and files in COCO-like data sets: PACO, Pascal-Part, PartImageNet, Objects365."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from instructsam.data.formats.coco import coco_images, read_categories
from instructsam.data.formats.names import (
    PART_IMAGE_NET,
    PARTS,
    either_name,
    part_name,
    patch_file,
    plain_name,
    super_part_name,
    synset_file,
)
from instructsam.data.formats.source import Node, Tally
from instructsam.errors import RecordError

from .helpers import boxes, write
from .test_coco import RUNS, annotation, coco


def category(name: str, group: str = "") -> Node:
    fields = {"id": 1, "name": name, **({"supercategory": group} if group else {})}
    return Node(fields, Path("f.json"))


@pytest.mark.parametrize(
    ("read", "name", "group", "expected"),
    [
        (plain_name, "dining_table", "", "dining table"),
        (part_name, "mug:handle", "PART", "the handle of the mug"),
        (part_name, "car_(automobile):steeringwheel", "PART", "the steeringwheel of the car"),
        (part_name, "drum_(musical_instrument)", "OBJECT", "drum"),
        (part_name, "trash_can", "OBJECT", "trash can"),
        (part_name, "aeroplane:wing", "", "the wing of the aeroplane"),
        (super_part_name, "Quadruped Head", "Quadruped", "the head of the quadruped"),
        (super_part_name, "Car Side Mirror", "Car", "the side mirror of the car"),
        (super_part_name, "Car Tier", "Car", "the tire of the car"),
        (super_part_name, "Bottle Mouth", "", "the mouth of the bottle"),
        (super_part_name, "Boat", "Boat", "boat"),
        (either_name, "Cabinet/shelf", "", "cabinet or shelf"),
        (either_name, "Monitor/TV", "", "monitor or TV"),
        (either_name, "Person", "", "person"),
    ],
)
def test_a_category_is_named_as_a_person_says_it(read: Any, name: str, group: str, expected: str) -> None:
    assert read(category(name, group)) == expected


@pytest.mark.parametrize("name", ["mug:", ":handle", "a:b:c", "(mug)"])
def test_a_name_without_object_or_part_is_refused(name: str) -> None:
    with pytest.raises(
        RecordError, match=r"f.json, at name: expected the name of an object, or of an object"
    ):
        part_name(category(name))


def test_files_lie_where_the_publishers_unpack_them() -> None:
    assert synset_file("n01440764_10026.JPEG") == "n01440764/n01440764_10026.JPEG"
    assert synset_file("n01440764/n01440764_10026.JPEG") == "n01440764/n01440764_10026.JPEG"
    assert synset_file("photo.jpg") == "photo.jpg"
    assert patch_file("images/v1/patch8/objects365_v1_00420917.jpg") == "patch8/objects365_v1_00420917.jpg"
    assert patch_file("a.jpg") == "a.jpg"


def test_paco(tmp_path: Path) -> None:
    """Objects and parts in one file, masks as run-length codes, absent and incomplete categories as in LVIS."""
    value = coco(
        annotation(1, 9, 18, 1, 1, 4, 4, obj_ann_id=1, attribute_ids=[3]),
        annotation(2, 9, 400, 0, 0, 1, 6, segmentation=RUNS, obj_ann_id=1),
        annotation(3, 4, 400, 1, 1, 2, 2, obj_ann_id=9),
        neg_category_ids=[401],
    )
    value["images"][0]["file_name"] = "train2017/000000000009.jpg"
    value["images"][1]["not_exhaustive_category_ids"] = [400]
    value["categories"] = [
        {"id": 18, "name": "mug", "supercategory": "OBJECT"},
        {"id": 400, "name": "mug:handle", "supercategory": "PART"},
        {"id": 401, "name": "chair:leg", "supercategory": "PART"},
    ]
    path = write(tmp_path / "paco_lvis_v1_train.json", value)
    tally = Tally()
    records = list(read_categories(path, "coco", tally, PARTS))
    assert [(record.instruction, boxes(record)) for record in records] == [
        ("mug", [[(1, 1, 4, 4)]]),
        ("the handle of the mug", [[(0, 0, 1, 6)]]),
        ("the leg of the chair", [[]]),
    ]
    assert records[0].image.file == "coco/train2017/000000000009.jpg"
    assert records[1].phrases[0].instances[0].category == "the handle of the mug"
    assert sum(tally.left_out.values()) == 1


def test_partimagenet_has_outlines_of_one_or_two_points(tmp_path: Path) -> None:
    value = coco(annotation(1, 9, 0, 1, 1, 2, 2))
    value["annotations"][0]["segmentation"] += [[3, 3], [3, 3, 4, 4]]
    value["images"][0]["file_name"] = "n01440764_1.JPEG"
    value["categories"] = [{"id": 0, "name": "Fish Head", "supercategory": "Fish"}]
    path = write(tmp_path / "train.json", value)
    tally = Tally()
    (record,) = read_categories(path, "partimagenet/train", tally, PART_IMAGE_NET)
    assert record.instruction == "the head of the fish"
    assert record.image.file == "partimagenet/train/n01440764/n01440764_1.JPEG"
    assert boxes(record) == [[(1, 1, 2, 2)]]
    assert sum(tally.left_out.values()) == 2
    assert coco_images(path, "p", PART_IMAGE_NET)[0] == "p/n01440764/n01440764_1.JPEG"
