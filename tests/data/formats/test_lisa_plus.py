"""LISA++: the instance file and the reasoning file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from instructsam.data.formats.lisa_plus import NO_MASK, NO_OBJECT, lisa_plus_images, read_lisa_plus
from instructsam.data.formats.source import Tally
from instructsam.data.record import Record
from instructsam.errors import RecordError
from instructsam.structures.masks import encode_rle

from .helpers import block, boxes, corners, picture, write


def pairs(*spot: int) -> list[list[int]]:
    flat = corners(*spot)
    return [flat[index : index + 2] for index in range(0, len(flat), 2)]


def thing(outline: Any, name: str = "mug", field: str = "points") -> dict[str, Any]:
    return {field: outline, "label name": name}


def entry(points: dict[str, Any], **changes: Any) -> dict[str, Any]:
    question = "What can one drink from?"
    return {
        "img_path": "a.jpg",
        "English Question": question,
        "ID": list(points),
        "points": points,
        **changes,
    }


def read(folder: Path, *entries: dict[str, Any], tally: Tally | None = None) -> list[Record]:
    picture(folder / "coco/train2017/a.jpg")
    path = write(folder / "LISA_Plus/data.json", list(entries))
    return list(read_lisa_plus(path, "coco/train2017", folder, tally or Tally()))


def test_objects_of_one_name_belong_to_one_phrase(tmp_path: Path) -> None:
    points = {
        "7": thing(pairs(1, 1, 2, 2)),
        "12": thing(pairs(5, 1, 2, 2), "cup"),
        "3": thing(pairs(7, 3, 2, 2)),
    }
    (record,) = read(tmp_path, entry(points))
    assert record.instruction == "What can one drink from?"
    assert [phrase.text for phrase in record.phrases] == ["mug", "cup"]
    assert boxes(record) == [[(1, 1, 2, 2), (7, 3, 2, 2)], [(5, 1, 2, 2)]]
    assert (record.image.file, record.image.height, record.image.width) == ("coco/train2017/a.jpg", 6, 10)
    assert lisa_plus_images(tmp_path / "LISA_Plus/data.json", "coco/train2017") == ["coco/train2017/a.jpg"]


@pytest.mark.parametrize(
    "outline",
    [
        thing(pairs(1, 1, 2, 2)),
        thing([pairs(1, 1, 2, 2)]),
        thing(corners(1, 1, 2, 2)),
        thing([corners(1, 1, 2, 2)], field="polygon"),
        thing(encode_rle(block(1, 1, 2, 2)), field="segmentation"),
        encode_rle(block(1, 1, 2, 2)),
        [corners(1, 1, 2, 2)],
    ],
)
def test_outlines_are_read_in_every_notation(tmp_path: Path, outline: Any) -> None:
    (record,) = read(tmp_path, entry({"7": outline}))
    assert boxes(record) == [[(1, 1, 2, 2)]]


def test_an_outline_in_two_parts_is_one_object(tmp_path: Path) -> None:
    (record,) = read(tmp_path, entry({"7": thing([pairs(1, 1, 2, 2), pairs(5, 1, 2, 2)])}))
    assert boxes(record) == [[(1, 1, 6, 2)]]


def test_only_the_answered_objects_are_targets(tmp_path: Path) -> None:
    points = {"7": thing(pairs(1, 1, 2, 2)), "8": thing(pairs(5, 1, 2, 2))}
    (record,) = read(tmp_path, entry(points, ID=["8"]))
    assert boxes(record) == [[(5, 1, 2, 2)]]


def test_the_reasoning_file_names_objects_in_its_answer(tmp_path: Path) -> None:
    info = {"7": pairs(1, 1, 2, 2), "8": thing(pairs(5, 1, 2, 2), "cup"), "9": thing(pairs(7, 3, 2, 2))}
    answers = ["The <7| remote> beside [cup <8>]; again <7>.", "《9|mug》", "Nothing is here."]
    entries = [
        {"image_path": "a.jpg", "English Question": "What?", "English Answer": answer, "info": info}
        for answer in answers
    ]
    tally = Tally()
    first, second = read(tmp_path, *entries, tally=tally)
    assert [phrase.text for phrase in first.phrases] == ["remote", "cup"]
    assert boxes(first) == [[(1, 1, 2, 2)], [(5, 1, 2, 2)]]
    assert (second.phrases[0].text, boxes(second)) == ("mug", [[(7, 3, 2, 2)]])
    assert dict(tally.left_out) == {NO_OBJECT: 1}


def test_questions_with_an_unknown_or_empty_object_are_counted(tmp_path: Path) -> None:
    tally = Tally()
    points = {"7": thing(pairs(1, 1, 2, 2))}
    entries = [
        entry(points, ID=["7", "99"]),
        entry({"7": thing(encode_rle(block(0, 0, 0, 0)))}),
        entry({"7": thing([[1e9, 1, 2, 3, 4, 5]])}),
        entry(points, ID=[]),
    ]
    assert read(tmp_path, *entries, tally=tally) == []
    assert (tally.left_out[NO_MASK], tally.left_out[NO_OBJECT]) == (3, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"img_path": "b.jpg"},
            r"data.json, at \[0\]: its picture cannot be read: .*b.jpg: there is no such file",
        ),
        ({"img_path": None}, r"at \[0\].img_path: expected text that is not empty"),
        ({"English Question": ""}, r"at \[0\].English Question: expected text that is not empty"),
        ({"ID": 7}, r"at \[0\].ID: expected a list"),
        ({"points": None}, r"at \[0\]: the field 'info' is missing"),
        ({"points": {"7": {"label name": "mug"}}}, r"at \[0\].points.7: the field 'points' is missing"),
        ({"points": {"7": 5}}, r"at \[0\].points.7.\(as outlines\): expected a polygon, a run-length code"),
    ],
)
def test_a_malformed_entry_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        read(tmp_path, entry({"7": thing(pairs(1, 1, 2, 2))}) | changes)
