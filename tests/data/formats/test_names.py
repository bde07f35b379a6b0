"""Names of categories and files in COCO-like data sets: PACO, Pascal-Part, PartImageNet, Objects365."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from instructsam.data.formats.boxes import DAMAGED_BOX
from instructsam.data.formats.coco import NO_MASK, coco_images, read_categories
from instructsam.data.formats.names import (
    OBJECTS365,
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
from instructsam.structures.masks import decode_rle

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


def test_objects365_has_boxes_and_masks_where_given(tmp_path: Path) -> None:
    bare = annotation(1, 9, 1, 2, 1, 3, 4)
    del bare["segmentation"]
    crowd = annotation(4, 9, 1, 0, 0, 10, 2, segmentation=None, iscrowd=1)
    outside = annotation(5, 4, 1, 20, 1, 3, 3, segmentation=[])
    value = coco(bare, annotation(2, 9, 1, 7, 0, 3, 6.05), annotation(3, 4, 2, 1, 1, 2, 2), crowd, outside)
    value["annotations"][1]["segmentation"] = []
    value["images"][0]["file_name"] = "images/v1/patch8/objects365_v1_00420917.jpg"
    value["categories"] = [{"id": 1, "name": "Cabinet/shelf"}, {"id": 2, "name": "Person"}]
    tally = Tally()
    path = write(tmp_path / "o.json", value)
    records = list(read_categories(path, "objects365/train", tally, OBJECTS365))
    assert [(record.instruction, boxes(record)) for record in records] == [
        ("cabinet or shelf", [[(2, 1, 3, 4), (7, 0, 3, 6)]]),
        ("person", [[(1, 1, 2, 2)]]),
    ]
    assert [one.known for one in records[0].phrases[0].instances] == ["box", "box"]
    assert records[1].phrases[0].instances[0].known == "mask"
    assert decode_rle(records[0].crowds[0]).sum() == 20
    assert records[0].image.file == "objects365/train/patch8/objects365_v1_00420917.jpg"
    assert dict(tally.left_out) == {DAMAGED_BOX: 1, NO_MASK: 1}
