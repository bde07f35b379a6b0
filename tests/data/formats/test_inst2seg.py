"""Inst2Seg and its benchmark, in the published form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from instructsam.data.formats.boxes import DAMAGED_BOX
from instructsam.data.formats.inst2seg import NO_MASK, inst2seg_images, read_inst2seg
from instructsam.data.formats.source import Tally
from instructsam.errors import RecordError
from instructsam.structures.masks import encode_rle

from .helpers import areas, block, boxes, code_text, write


def annotation(**changes: Any) -> dict[str, Any]:
    return {
        "type": "sentence",
        "text": "what can one drink from?",
        "category": "mug",
        "answer": "The mugs.",
        "ann_type": "mask",
        "ann": [code_text(block(1, 1, 2, 2)), "[4, 1, 7, 1, 7, 4, 4, 4]"],
        **changes,
    }


def item(*annotations: dict[str, Any]) -> dict[str, Any]:
    return {
        "image": "a/1.jpg",
        "height": 6,
        "width": 10,
        "type": "detection",
        "annotation": list(annotations),
    }


def test_the_data_set(tmp_path: Path) -> None:
    nothing = annotation(type="phrase", text="red kites", category="", ann=None)
    path = write(tmp_path / "train.json", [item(annotation(), nothing), item(annotation(type="OCR"))])
    tally = Tally()
    records = list(read_inst2seg(path, "images", tally))
    assert [record.id for record in records] == ["train-0-0", "train-0-1", "train-1-0"]
    first, second, third = records
    assert (first.image.file, first.image.height, first.image.width) == ("images/a/1.jpg", 6, 10)
    assert (first.instruction, first.phrases[0].text, first.family) == (
        "what can one drink from?",
        "mug",
        "sentence",
    )
    assert first.meta == {"answer": "The mugs."}
    assert boxes(first) == [[(1, 1, 2, 2), (4, 1, 3, 3)]]
    assert areas(first) == [4, 9]
    assert first.phrases[0].instances[0].category == "mug"
    assert (second.phrases[0].text, second.phrases[0].instances, second.family) == ("red kites", (), "phrase")
    assert third.family == "OCR"
    assert tally.lines() == []


def test_the_benchmark(tmp_path: Path) -> None:
    entries = [{"text": "the mugs", "mask": [code_text(block(0, 0, 3, 1))]}, {"text": "cars", "mask": None}]
    path = write(tmp_path / "bench.json", [item(*entries)])
    records = list(read_inst2seg(path, "", Tally()))
    assert [record.image.file for record in records] == ["a/1.jpg"] * 2
    assert [boxes(record) for record in records] == [[[(0, 0, 3, 1)]], [[]]]
    assert [record.family for record in records] == ["detection"] * 2


def test_boxes_and_points_are_known_instead_of_masks(tmp_path: Path) -> None:
    """One file mixes all kinds of annotation, as the released training collection does."""
    annotations = [
        annotation(ann_type="bbox", ann=["[1, 1, 3, 3]", "[5, 0, 2, 6.1]"]),
        annotation(ann=["[1, 1, 3, 3]"]),  # four numbers are no polygon
        annotation(ann_type="point", ann=["[4, 2]", [0, 6]], type="OCR"),
        annotation(),
        annotation(ann_type="bbox", ann=None),
        annotation(ann_type="point", ann=[]),
    ]
    tally = Tally()
    records = list(read_inst2seg(write(tmp_path / "t.json", [item(*annotations)]), "", tally))
    found = [[one.known for one in record.phrases[0].instances] for record in records]
    assert found == [["box", "box"], ["box"], ["point", "point"], ["mask", "mask"], [], []]
    assert boxes(records[0]) == [[(1, 1, 3, 3), (5, 0, 2, 6)]]
    assert records[0].phrases[0].instances[0].rle is None
    assert [one.point_xy for one in records[2].phrases[0].instances] == [(4, 2), (0, 6)]
    assert records[2].phrases[0].instances[0].category == "mug"
    assert tally.lines() == []


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    broken = [
        annotation(ann=[code_text(block(0, 0, 0, 0))]),
        annotation(ann_type="bbox", ann=["[4, 1, 9, 5]"]),  # corners, not sides
        annotation(ann_type="bbox", ann=["[4, 1, 0, 5]"]),
        annotation(ann_type="point", ann=["[11, 1]"]),
    ]
    path = write(tmp_path / "t.json", [item(*broken, annotation())])
    tally = Tally()
    assert [record.id for record in read_inst2seg(path, "", tally)] == ["t-0-4"]
    assert dict(tally.left_out) == {NO_MASK: 4, DAMAGED_BOX: 3}
    assert tally.examples[DAMAGED_BOX].endswith(
        "ann[0].(JSON text): expected a box [x, y, width, height] in a picture of 10 x 6, got [4, 1, 9, 5]"
    )
    assert inst2seg_images(path, "images") == ["images/a/1.jpg"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ann": ["[1, 2"]}, r"at \[0\].annotation\[0\].ann\[0\]: expected a mask, or JSON text of one"),
        (
            {"ann_type": "points"},
            r"at \[0\].annotation\[0\].ann_type: expected 'mask', 'bbox' or 'point', got 'points'",
        ),
        (
            {"ann_type": "points", "ann": None},
            r"at .*ann_type: expected 'mask', 'bbox' or 'point', got 'points'",
        ),
        (
            {"ann_type": "point", "ann": ["[1, 2, 3]"]},
            r"at .*ann\[0\].\(JSON text\): expected a point \[x, y\] in pixels, got \[1, 2, 3\]",
        ),
        (
            {"ann_type": "bbox", "ann": ["{}"]},
            r"at .*ann\[0\].\(JSON text\): expected a box \[x, y, width, height\]",
        ),
        ({"text": ""}, r"at \[0\].annotation\[0\].text: expected text that is not empty"),
        ({"ann": 5}, r"at \[0\].annotation\[0\].ann: expected a polygon, a run-length code"),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "t.json", [item(annotation(**changes))])
    with pytest.raises(RecordError, match=r"t.json, " + message):
        list(read_inst2seg(path, "", Tally()))


def test_the_benchmark_as_its_own_evaluation_reads_it(tmp_path: Path) -> None:
    """No `mask` is no target; outlines are the parts of one object; codes, or lists of outlines, are several."""
    left, right = [0, 0, 2, 0, 2, 2, 0, 2], [6, 0, 9, 0, 9, 3, 6, 3]
    annotations = [
        {"text": "no such thing"},
        {"text": "null"} | {"mask": None},
        {"text": "one thing in two parts", "mask": [left, right]},
        {"text": "two things", "mask": [[left], [right]]},
        {"text": "two codes", "mask": [encode_rle(block(0, 0, 2, 2)), encode_rle(block(6, 0, 3, 3))]},
    ]
    records = list(read_inst2seg(write(tmp_path / "bench.json", [item(*annotations)]), "images", Tally()))
    assert [len(record.phrases[0].instances) for record in records] == [0, 0, 1, 2, 2]
    assert boxes(records[2]) == [[(0, 0, 9, 3)]]
    assert boxes(records[3]) == boxes(records[4]) == [[(0, 0, 2, 2), (6, 0, 3, 3)]]


def test_the_data_set_must_have_its_annotation(tmp_path: Path) -> None:
    broken = annotation()
    del broken["ann"]
    with pytest.raises(RecordError, match="the field 'ann' is missing"):
        list(read_inst2seg(write(tmp_path / "train.json", [item(broken)]), "", Tally()))
