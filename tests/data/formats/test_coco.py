"""COCO, LVIS and SA-Co files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from instructsam.data.formats import source
from instructsam.data.formats.coco import (
    NO_MASK,
    NOT_EXHAUSTIVE,
    NOT_EXHAUSTIVE_PHRASE,
    ONLY_CROWDS,
    CocoFile,
    read_categories,
    read_concepts,
)
from instructsam.data.formats.outlines import DAMAGED, FEW_POINTS
from instructsam.data.formats.source import Tally
from instructsam.data.vocabulary import Vocabulary
from instructsam.errors import RecordError
from instructsam.structures.masks import encode_rle

from .helpers import block, boxes, corners, write

RUNS = {"size": [6, 10], "counts": [0, 6, 54]}  # the left column, as COCO writes crowds


def annotation(number: int, image: int, category: int, *spot: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": [corners(*spot)],
        "area": 4.0,
        "bbox": list(spot),
        "iscrowd": 0,
        **changes,
    }


def coco(*annotations: dict[str, Any], **images: Any) -> dict[str, Any]:
    size = {"height": 6, "width": 10}
    pictures = [{"id": 9, "file_name": "9.jpg", **size, **images}, {"id": 4, "file_name": "4.jpg", **size}]
    categories = [{"id": 18, "name": "dog"}, {"id": 1, "name": "dining_table"}]
    return {"info": {}, "images": pictures, "annotations": list(annotations), "categories": categories}


def test_coco_by_category(tmp_path: Path) -> None:
    crowd = annotation(3, 9, 18, 0, 0, 1, 1, segmentation=RUNS, iscrowd=1)
    parts = [
        annotation(1, 9, 18, 1, 1, 2, 2),
        annotation(2, 9, 1, 4, 1, 3, 3),
        crowd,
        annotation(4, 9, 18, 7, 0, 2, 2),
    ]
    path = write(tmp_path / "i.json", coco(*parts, annotation(5, 4, 1, 0, 0, 2, 2)))
    tally = Tally()
    records = list(read_categories(path, "val2017", tally))
    assert [(r.id, r.instruction, r.image.file) for r in records] == [
        ("9-1", "dining table", "val2017/9.jpg"),
        ("9-18", "dog", "val2017/9.jpg"),
        ("4-1", "dining table", "val2017/4.jpg"),
    ]
    assert boxes(records[1]) == [[(1, 1, 2, 2), (7, 0, 2, 2)]]
    assert records[1].crowds == (encode_rle(block(0, 0, 1, 6)),)
    assert records[0].crowds == ()
    assert records[0].phrases[0].instances[0].category == "dining table"
    assert tally.lines() == []


@pytest.mark.parametrize("flag", ["iscrowd", "is_crowd", "ignore"])
def test_a_category_with_nothing_but_a_crowd_is_not_absent(tmp_path: Path, flag: str) -> None:
    crowd = annotation(3, 9, 18, 0, 0, 1, 1, segmentation=RUNS, **{"iscrowd": 0, flag: 1})
    tally = Tally()
    path = write(tmp_path / "i.json", coco(crowd, neg_category_ids=[1]))
    (record,) = read_categories(path, "", tally)
    assert record.instruction == "dining table"
    assert dict(tally.left_out) == {ONLY_CROWDS: 1}


def test_a_damaged_annotation_costs_its_instruction_and_not_the_file(tmp_path: Path) -> None:
    parts = [
        annotation(1, 9, 18, 1, 1, 2, 2, segmentation=[corners(1, 1, 2, 2), [3, 3, 4, 4]]),
        annotation(2, 9, 1, 0, 0, 2, 2, segmentation=[[0, 0, 2, 0, 2, float("nan")]]),
        annotation(3, 4, 18, 0, 0, 2, 2, segmentation=[[1, 2, 3]]),
        annotation(4, 4, 1, 0, 0, 2, 2, segmentation={"size": [6, 10], "counts": [2**62] * 4}),
    ]
    bare = annotation(5, 9, 1, 4, 4, 1, 1)
    del bare["segmentation"]
    tally = Tally()
    records = list(read_categories(write(tmp_path / "i.json", coco(*parts, bare)), "", tally))
    assert [(record.id, boxes(record)) for record in records] == [("9-18", [[(1, 1, 2, 2)]])]
    assert dict(tally.left_out) == {FEW_POINTS: 2, DAMAGED: 2, NO_MASK: 3}
    assert "annotations[1].segmentation[0]: expected a polygon" in tally.examples[DAMAGED]


def test_lvis_by_category(tmp_path: Path) -> None:
    lists = {"neg_category_ids": [1], "not_exhaustive_category_ids": [18]}
    value = coco(annotation(1, 9, 18, 1, 1, 2, 2), annotation(2, 4, 18, 1, 1, 2, 2), **lists)
    value["images"][0]["coco_url"] = "somewhere/train2017/000009.jpg"
    del value["images"][0]["file_name"]
    del value["annotations"][0]["iscrowd"]
    tally = Tally()
    records = list(read_categories(write(tmp_path / "lvis.json", value), "coco", tally))
    assert [(r.id, r.image.file, boxes(r)) for r in records] == [
        ("9-1", "coco/train2017/000009.jpg", [[]]),
        ("4-18", "coco/4.jpg", [[(1, 1, 2, 2)]]),
    ]
    assert dict(tally.left_out) == {NOT_EXHAUSTIVE: 1}


def test_an_exhaustive_set_tells_what_each_picture_shows(tmp_path: Path) -> None:
    """A category with a crowd or a broken mask is in the picture, too: it must not become a negative."""
    crowd = annotation(1, 9, 18, 0, 0, 1, 1, segmentation=RUNS, iscrowd=1)
    broken = annotation(2, 4, 18, 0, 0, 2, 2, segmentation=[[1, 2, 3]])
    seen = Vocabulary()
    path = write(tmp_path / "i.json", coco(crowd, annotation(3, 9, 1, 1, 1, 2, 2), broken))
    assert len(list(read_categories(path, "", Tally(), vocabulary=seen))) == 1
    assert seen.shown == {"9.jpg": {"dog", "dining table"}, "4.jpg": {"dog"}}
    assert seen.absent("4.jpg") == ("dining table",)


def test_a_large_file_gives_the_same_records_in_less_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = annotation(2, 9, 18, 0, 0, 1, 1, segmentation=RUNS, iscrowd=1)
    damaged = annotation(3, 4, 18, 0, 0, 1, 1, segmentation=[[1, 2, float("nan"), 4, 5, 6]])
    path = write(tmp_path / "i.json", coco(annotation(1, 9, 18, 1, 1, 2, 2), crowd, damaged))
    tallies = Tally(), Tally()
    plain = list(read_categories(path, "", tallies[0]))
    monkeypatch.setattr(source, "_LARGE", 0)
    kept = source.read_json(path, packed="segmentation")["annotations"].value[0]["segmentation"]
    assert isinstance(kept, str)
    assert list(read_categories(path, "", tallies[1])) == plain
    assert tallies[0].left_out == tallies[1].left_out == {DAMAGED: 1, NO_MASK: 1}


def test_an_empty_mask_takes_its_instruction_along(tmp_path: Path) -> None:
    nothing = annotation(1, 9, 18, 1, 1, 2, 2, segmentation={"size": [6, 10], "counts": [60]})
    tally = Tally()
    path = write(tmp_path / "i.json", coco(nothing, annotation(2, 9, 18, 0, 0, 2, 2)))
    assert list(read_categories(path, "", tally)) == []
    assert dict(tally.left_out) == {NO_MASK: 1}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            coco(annotation(1, 8, 18, 0, 0, 2, 2)),
            r"at annotations\[0\].image_id: expected the id of one of the images",
        ),
        (coco(annotation(1, 9, 7, 0, 0, 2, 2)), "names the category 7, which categories lack"),
        (
            coco(annotation(1, 9, 18, 0, 0, 2, 2), annotation(1, 9, 18, 0, 0, 2, 2)),
            r"at annotations\[1\].id: expected an id that annotations uses once, got 1",
        ),
        (
            coco(annotation(1, 9, 18, 0, 0, 2, 2, segmentation=7)),
            r"segmentation: expected a polygon",
        ),
        (
            coco(annotation(1, 9, 18, 0, 0, 2, 2, iscrowd="0")),
            r"annotations\[0\].iscrowd: expected true, false",
        ),
        ({"images": []}, "at the top: the field 'annotations' is missing"),
        ([], "expected a JSON object"),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, value: Any, message: str) -> None:
    path = write(tmp_path / "i.json", value)
    with pytest.raises(RecordError, match=message) as caught:
        list(read_categories(path, "", Tally()))
    assert "i.json" in str(caught.value)


def concepts(second: dict[str, Any] | None = None, *annotations: dict[str, Any]) -> dict[str, Any]:
    size = {"height": 6, "width": 10, "is_instance_exhaustive": 1, "is_pixel_exhaustive": 1}
    images = [
        {"id": 10, "file_name": "m/1.jpg", "text_input": "a red mug", **size},
        {"id": 11, "file_name": "m/2.jpg", "text_input": "a kite", **size},
        {"id": 12, "file_name": "m/1.jpg", "text_input": "a blue mug", **size, **(second or {})},
    ]
    categories = [{"id": 1, "name": "object"}]
    return {"info": {}, "images": images, "annotations": list(annotations), "categories": categories}


def test_sa_co_gold_with_three_annotators(tmp_path: Path) -> None:
    first, second = annotation(1, 10, 1, 1, 1, 2, 2), annotation(2, 10, 1, 5, 1, 2, 2)
    values = [concepts(None, first, second), concepts(None, first), concepts()]
    paths = [write(tmp_path / f"{name}.json", value) for name, value in zip("abc", values, strict=True)]
    tally = Tally()
    records = list(read_concepts(paths, "images", tally))
    assert [(r.id, r.instruction, r.image.file) for r in records] == [
        ("10", "a red mug", "images/m/1.jpg"),
        ("12", "a blue mug", "images/m/1.jpg"),
        ("11", "a kite", "images/m/2.jpg"),
    ]
    assert boxes(records[0]) == [[(1, 1, 2, 2), (5, 1, 2, 2)]]
    assert [len(other) for other in records[0].alternatives] == [1, 0]
    assert boxes(records[1]) == [[]]
    assert tally.lines() == []


def test_a_crowd_of_sa_co_in_either_spelling(tmp_path: Path) -> None:
    crowd = annotation(2, 10, 1, 5, 1, 2, 2, is_crowd=1)
    del crowd["iscrowd"]
    path = write(tmp_path / "a.json", concepts(None, annotation(1, 10, 1, 1, 1, 2, 2), crowd))
    record = next(read_concepts([path], "images", Tally()))
    assert boxes(record) == [[(1, 1, 2, 2)]]
    assert record.crowds == (encode_rle(block(5, 1, 2, 2)),)


def test_a_phrase_of_sa_co_with_nothing_but_a_crowd_is_not_absent(tmp_path: Path) -> None:
    thing, crowd = annotation(1, 10, 1, 1, 1, 2, 2), annotation(1, 10, 1, 1, 1, 2, 2, iscrowd=1)
    a = write(tmp_path / "a.json", concepts(None, crowd))
    b = write(tmp_path / "b.json", concepts(None, thing))
    for paths in ([a], [a, b], [b, a]):  # whichever annotator has it
        tally = Tally()
        assert [record.id for record in read_concepts(paths, "images", tally)] == ["12", "11"]
        assert dict(tally.left_out) == {ONLY_CROWDS: 1}


def test_sa_co_silver_and_what_is_not_exhaustive(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.json", concepts({"is_instance_exhaustive": 0}, annotation(1, 10, 1, 1, 1, 2, 2))
    )
    tally = Tally()
    records = list(read_concepts([path], "", tally))
    assert [(record.id, record.alternatives) for record in records] == [("10", ()), ("11", ())]
    assert dict(tally.left_out) == {NOT_EXHAUSTIVE_PHRASE: 1}


def test_ids_are_looked_up(tmp_path: Path) -> None:
    file = CocoFile(write(tmp_path / "i.json", coco(annotation(1, 9, 18, 1, 1, 2, 2))), "")
    wrong = file.top["annotations"]
    with pytest.raises(RecordError, match="the field 'text_input' is missing"):
        list(read_concepts([file.path], "", Tally()))
    assert wrong.place == "annotations"
