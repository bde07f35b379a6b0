"""MUSE: questions about a picture, each with its objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from instructsam.data.formats.muse import NO_MASK, NO_QUESTION, read_muse
from instructsam.data.formats.source import Tally
from instructsam.errors import RecordError

from .helpers import boxes, corners, write


def thing(name: str, *spot: int, **changes: Any) -> dict[str, Any]:
    return {
        "segmentation": [corners(*spot)],
        "bbox": list(spot),
        "category_name": "cup",
        "rephrased_name": name,
        **changes,
    }


def item(answers: list[list[dict[str, Any]]], **changes: Any) -> dict[str, Any]:
    questions = [f"question {n}?" for n in range(len(answers))]
    size = {"height": 6, "width": 10}
    return {
        "file_name": "1.jpg",
        **size,
        "questions": questions,
        "answers": answers,
        "ann_list": [],
        **changes,
    }


def test_questions_become_records(tmp_path: Path) -> None:
    several = [thing("tea cup", 0, 0, 2, 2), thing("spoon", 4, 0, 1, 3), thing("tea cup", 7, 0, 2, 2)]
    plain = thing("x", 0, 0, 3, 3)
    del plain["rephrased_name"]
    second = item([[plain], []], coco_url="somewhere/val2017/2.jpg")
    del second["file_name"]
    path = write(tmp_path / "muse_val.json", [item([several]), second])
    tally = Tally()
    records = list(read_muse(path, "coco", tally))
    assert [record.image.file for record in records] == ["coco/train2014/1.jpg"] + ["coco/val2017/2.jpg"] * 2
    assert [record.id for record in records] == ["muse_val-0-0", "muse_val-1-0", "muse_val-1-1"]
    assert [phrase.text for phrase in records[0].phrases] == ["tea cup", "spoon"]
    assert boxes(records[0]) == [[(0, 0, 2, 2), (7, 0, 2, 2)], [(4, 0, 1, 3)]]
    assert records[1].phrases[0].text == "cup"
    assert (records[2].phrases[0].text, boxes(records[2])) == ("question 1?", [[]])
    assert tally.lines() == []


def test_an_empty_mask_is_counted(tmp_path: Path) -> None:
    path = write(
        tmp_path / "m.json", [item([[thing("a", 0, 0, 2, 2, segmentation=[])], [thing("b", 0, 0, 2, 2)]])]
    )
    tally = Tally()
    assert [record.instruction for record in read_muse(path, "coco", tally)] == ["question 1?"]
    assert dict(tally.left_out) == {NO_MASK: 1}


def test_a_malformed_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "m.json", [item([[]], questions=["a?", "b?"])])
    with pytest.raises(
        RecordError, match=r"m.json, at \[0\].answers: expected as many answers as questions \(2\)"
    ):
        list(read_muse(path, "coco", Tally()))


def test_a_picture_without_questions_is_counted(tmp_path: Path) -> None:
    bare = item([])
    del bare["questions"], bare["answers"]
    path = write(tmp_path / "muse_train.json", [bare, item([[thing("cup", 0, 0, 2, 2)]])])
    tally = Tally()
    assert [record.id for record in read_muse(path, "coco", tally)] == ["muse_train-1-0"]
    assert dict(tally.left_out) == {NO_QUESTION: 1}
