"""The RefCOCO family: refs as serialised file or JSON, and gRefCOCO's list."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from instructsam.data.formats.coco import CocoFile
from instructsam.data.formats.outlines import DAMAGED
from instructsam.data.formats.refer import (
    NO_MASK,
    OTHER_SPLIT,
    coco_image,
    gref_images,
    read_grefs,
    read_refs,
    ref_images,
)
from instructsam.data.formats.source import Node, Tally
from instructsam.errors import RecordError
from instructsam.structures.masks import encode_rle

from .helpers import block, boxes, write
from .test_coco import annotation, coco


def ref(number: int, image: int, ann: Any, split: str = "val", *texts: str, **more: Any) -> dict[str, Any]:
    sentences = [
        {"tokens": text.split(), "raw": text.upper(), "sent_id": 10 * number + n, "sent": text}
        for n, text in enumerate(texts or ("left dog",))
    ]
    return {
        "ref_id": number,
        "ann_id": ann,
        "image_id": image,
        "category_id": 18,
        "file_name": f"COCO_train2014_{image}_{number}.jpg",
        "sent_ids": [one["sent_id"] for one in sentences],
        "sentences": sentences,
        "split": split,
        **more,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    empty = annotation(4, 9, 18, 0, 0, 1, 1, segmentation={"size": [6, 10], "counts": [60]})
    parts = (
        annotation(1, 9, 18, 1, 1, 2, 2),
        annotation(2, 9, 18, 5, 1, 3, 3),
        annotation(3, 4, 1, 0, 0, 2, 2),
    )
    write(tmp_path / "instances.json", coco(*parts, empty))
    return tmp_path


REFS = [
    ref(1, 9, 1, "val", "left dog", "the small dog"),
    ref(2, 4, 3),
    ref(3, 9, 2, "val", "big dog"),
    ref(4, 9, 2, "testA"),
]


def test_refs_in_both_forms(folder: Path) -> None:
    (folder / "refs(unc).p").write_bytes(pickle.dumps(REFS, 2))
    tally = Tally()
    records = list(read_refs(folder, "unc", "val", "coco/train2014", tally))
    assert [(r.id, r.instruction, r.image.file) for r in records] == [
        ("1-10", "left dog", "coco/train2014/9.jpg"),
        ("1-11", "the small dog", "coco/train2014/9.jpg"),
        ("3-30", "big dog", "coco/train2014/9.jpg"),
        ("2-20", "left dog", "coco/train2014/4.jpg"),
    ]
    assert boxes(records[0]) == [[(1, 1, 2, 2)]]
    assert records[0].phrases[0].instances[0].category == "dog"
    assert dict(tally.left_out) == {OTHER_SPLIT: 1}
    write(folder / "refs(unc).json", REFS)
    (folder / "refs(unc).p").unlink()
    assert list(read_refs(folder, "unc", "val", "coco/train2014", Tally())) == records


def test_grefcoco(folder: Path) -> None:
    several = ref(1, 9, [1, 2], "val", "both dogs", no_target=False)
    none = ref(2, 9, [-1], "val", "the cat", no_target=True)
    empty = ref(3, 9, [4], "val", "a", "b", no_target=False)
    write(folder / "grefs(unc).json", [several, none, empty])
    tally = Tally()
    first, second = read_grefs(folder, "val", "", tally)
    assert boxes(first) == [[(1, 1, 2, 2), (5, 1, 3, 3)]]
    assert (second.instruction, boxes(second)) == ("the cat", [[]])
    assert dict(tally.left_out) == {NO_MASK: 2}


def test_a_damaged_annotation_is_counted_once_and_read_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a small file of many expressions about one large outline takes hours."""
    broken = annotation(2, 9, 18, 1, 1, 2, 2, segmentation={"size": [6, 10], "counts": [61]})
    write(folder / "instances.json", coco(annotation(1, 9, 18, 1, 1, 2, 2), broken))
    write(folder / "refs(unc).json", [ref(n, 9, 1 + n % 2, "val", "a", "b") for n in range(10)])
    asked: list[str] = []
    original = CocoFile.read_instance

    def counted(self: CocoFile, annotation: Node, *rest: Any) -> Any:
        asked.append(annotation["id"].name())
        return original(self, annotation, *rest)

    monkeypatch.setattr(CocoFile, "read_instance", counted)
    tally = Tally()
    assert len(list(read_refs(folder, "unc", "val", "", tally))) == 10
    assert sorted(asked) == ["1", "2"]
    assert dict(tally.left_out) == {DAMAGED: 1, NO_MASK: 10}


def test_an_expression_that_names_a_crowd_means_its_region(folder: Path) -> None:
    crowd = annotation(1, 9, 18, 1, 1, 2, 2, iscrowd=1)
    write(folder / "instances.json", coco(crowd))
    write(folder / "refs(unc).json", [ref(1, 9, 1)])
    (record,) = read_refs(folder, "unc", "val", "", Tally())
    assert boxes(record) == [[(1, 1, 2, 2)]]


@pytest.mark.parametrize(
    ("refs", "message"),
    [
        ([ref(1, 9, 77)], r"at \[0\].ann_id: expected the id of an annotation in .*instances.json, got 77"),
        ([ref(1, 77, 1)], r"at \[0\].image_id: expected the id of an image in"),
        ([ref(1, 9, 1, "train")], "no reference of the split 'val'; the file has train"),
        ([{"ref_id": 1}], r"at \[0\]: the field 'split' is missing \(there are ref_id\)"),
        ({"refs": []}, "expected a list"),
        ([ref(1, 9, [])], r"at \[0\].ann_id: expected ids of annotations, or \[-1\] for no target, got \[\]"),
        ([ref(1, 9, [1], no_target="no")], r"at \[0\].no_target: expected true, false, 1 or 0"),
    ],
)
def test_malformed_references_are_named(folder: Path, refs: Any, message: str) -> None:
    write(folder / "refs(unc).json", refs)
    with pytest.raises(RecordError, match=message) as caught:
        list(read_refs(folder, "unc", "val", "", Tally()))
    assert "refs(unc).json" in str(caught.value)


def test_missing_files_are_named(folder: Path) -> None:
    with pytest.raises(RecordError, match=r"refs\(umd\).p: cannot be read"):
        list(read_refs(folder, "umd", "val", "", Tally()))
    (folder / "instances.json").unlink()
    write(folder / "grefs(unc).json", [])
    with pytest.raises(RecordError, match=r"instances.json: cannot be read"):
        list(read_grefs(folder, "val", "", Tally()))


def test_refclef_has_run_length_codes_and_mixed_test_splits(tmp_path: Path) -> None:
    """A list of codes is the segmentation of an object; a reference of testAB is in testA and in testB."""
    value = coco(annotation(1, 9, 18, 1, 1, 2, 2, segmentation=[encode_rle(block(1, 1, 2, 2))]))
    value["images"][0]["file_name"] = "00/images/9.jpg"
    write(tmp_path / "instances.json", value)
    splits = ("train", "val", "testA", "testB", "testC", "testAB", "testBC")
    refs = [ref(number, 9, 1, split) for number, split in enumerate(splits)]
    write(tmp_path / "refs(unc).json", refs)
    names = {
        split: [
            record.id.split("-")[0] for record in read_refs(tmp_path, "unc", split, "saiapr_tc-12", Tally())
        ]
        for split in ("train", "val", "testA", "testB", "testC")
    }
    assert names == {
        "train": ["0"],
        "val": ["1"],
        "testA": ["2", "5"],
        "testB": ["3", "5", "6"],
        "testC": ["4", "6"],
    }
    record = next(read_refs(tmp_path, "unc", "train", "saiapr_tc-12", Tally()))
    assert record.image.file == "saiapr_tc-12/00/images/9.jpg"
    assert boxes(record) == [[(1, 1, 2, 2)]]


def test_the_pictures_of_a_split_are_listed_without_masks(folder: Path) -> None:
    refs = [ref(1, 9, 1), ref(2, 9, 1), ref(3, 4, 1, "train"), ref(4, 7, 1, "testAC")]
    (folder / "refs(umd).p").write_bytes(pickle.dumps(refs))
    assert ref_images(folder, "umd", "val") == [9]
    assert ref_images(folder, "umd", "train") == [4]
    assert ref_images(folder, "umd", "testC") == [7]
    assert ref_images(folder, "umd", "test") == []
    write(folder / "refs(umd).json", refs[:1])  # takes precedence, as in reading
    assert ref_images(folder, "umd", "train") == []
    write(folder / "grefs(unc).json", refs)
    assert gref_images(folder, "val") == [9]
    assert coco_image(9) == "coco/train2014/COCO_train2014_000000000009.jpg"
