"""ReasonSeg in both forms."""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instructsam.data.formats.outlines import DAMAGED, FEW_POINTS
from instructsam.data.formats.reasonseg import (
    FLAGS,
    NO_OUTLINE,
    NO_PIXEL,
    ODD_NAME,
    ONLY_IGNORED,
    WORDINGS,
    read_reasonseg_folder,
    read_reasonseg_list,
)
from instructsam.data.formats.shapes import NO_AREA, UNKNOWN_AREA
from instructsam.data.formats.source import Tally
from instructsam.errors import RecordError
from instructsam.structures.masks import decode_rle, encode_rle

from .helpers import block, boxes, picture, write


def shape(label: str, x: int, y: int, right: int, bottom: int) -> dict[str, Any]:
    points = [[x, y], [right, y], [right, bottom], [x, bottom]]
    return {
        "label": label,
        "labels": [label],
        "shape_type": "polygon",
        "points": points,
        "image_name": "a.jpg",
    }


def write_original(folder: Path, name: str, *shapes: dict[str, Any], **changes: Any) -> None:
    picture(folder / f"{name}.jpg")
    top = {"text": ["the thing that holds tea", "where is tea?"], "is_sentence": True, "shapes": list(shapes)}
    write(folder / f"{name}.json", {**top, **changes})


def test_the_original_form(tmp_path: Path) -> None:
    folder = tmp_path / "reasonseg" / "val"
    # Outlines belong to the shape: 0..5 x 0..4 is 6 x 5 pixels; the smaller shapes lie on top.
    shapes = shape("ignore", 1, 1, 2, 2), shape("target", 0, 0, 5, 4), shape("flag", 7, 0, 9, 5)
    write_original(folder, "b", *shapes)
    write_original(folder, "a", shape("target", 7, 0, 8, 1), text=["mug"], is_sentence=False)
    tally = Tally()
    first, second = read_reasonseg_folder(folder, tmp_path, tally)
    assert (first.id, first.image.file, first.family) == ("a", "reasonseg/val/a.jpg", "phrase")
    assert (first.instruction, first.ignore) == ("mug", None)
    assert boxes(first) == [[(7, 0, 2, 2)]]
    assert (second.instruction, second.family) == ("the thing that holds tea", "sentence")
    assert second.ignore == encode_rle(block(1, 1, 2, 2))
    expected = block(0, 0, 6, 5) & ~block(1, 1, 2, 2)
    np.testing.assert_array_equal(decode_rle(second.phrases[0].instances[0].rle), expected)
    assert dict(tally.left_out) == {WORDINGS: 1, FLAGS: 1}


def test_a_larger_ignored_shape_lies_below_the_target(tmp_path: Path) -> None:
    write_original(tmp_path, "a", shape("target", 2, 2, 3, 3), shape("Ignore region", 0, 0, 9, 5))
    (record,) = read_reasonseg_folder(tmp_path, tmp_path, Tally())
    assert boxes(record) == [[(2, 2, 2, 2)]]
    assert record.ignore == encode_rle(~block(2, 2, 2, 2))


def test_a_covered_target_is_counted(tmp_path: Path) -> None:
    write_original(tmp_path, "a", shape("target", 0, 0, 2, 2), shape("ignore", 0, 0, 2, 2))
    tally = Tally()
    assert list(read_reasonseg_folder(tmp_path, tmp_path, tally)) == []
    assert tally.left_out[NO_PIXEL] == 1


def test_files_without_a_target_have_a_reason_of_their_own(tmp_path: Path) -> None:
    write_original(tmp_path, "a", shape("ignore", 0, 0, 9, 5))
    write_original(tmp_path, "b")
    write_original(tmp_path, "c", shape("flag", 0, 0, 9, 5))
    point = shape("target", 0, 0, 2, 2) | {"shape_type": "point", "points": [[3, 3]]}
    write_original(tmp_path, "d", point)
    write_original(tmp_path, "e", shape("target", 0, 0, 2, 2) | {"points": [[3, 3], [4, 4]]})
    tally = Tally()
    assert list(read_reasonseg_folder(tmp_path, tmp_path, tally)) == []
    assert tally.left_out == {NO_OUTLINE: 5, WORDINGS: 5, FLAGS: 1, NO_AREA: 1, FEW_POINTS: 1}


def test_damaged_shapes_cost_their_file_only(tmp_path: Path) -> None:
    write_original(tmp_path, "a", shape("target", 0, 0, 2, 2))
    write_original(tmp_path, "b", shape("target", 0, 0, 2, 10**9))
    write_original(tmp_path, "c", shape("target", 0, 0, 2, 2) | {"points": [[0, 0], [2, 0], [2, math.nan]]})
    write_original(
        tmp_path, "d", shape("target", 0, 0, 2, 2), shape("ignore", 0, 0, 1, 1) | {"shape_type": "mask"}
    )
    tally = Tally()
    assert [record.id for record in read_reasonseg_folder(tmp_path, tmp_path, tally)] == ["a"]
    assert tally.left_out == {DAMAGED: 2, UNKNOWN_AREA: 1, WORDINGS: 4}


def test_files_of_operating_systems_are_not_read(tmp_path: Path) -> None:
    write_original(tmp_path, "a", shape("target", 0, 0, 2, 2))
    (tmp_path / "._a.json").write_bytes(b"\x00\x05\x16\x07Mac OS X")
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.json").read_bytes())
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    assert [record.id for record in read_reasonseg_folder(tmp_path, tmp_path, Tally())] == ["a"]


def test_the_picture_is_found_in_another_composition(tmp_path: Path) -> None:
    names = [unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")]
    write_original(tmp_path, names[0], shape("target", 0, 0, 2, 2))
    (tmp_path / f"{names[0]}.jpg").rename(tmp_path / f"{names[1]}.jpg")
    (record,) = read_reasonseg_folder(tmp_path, tmp_path, Tally())
    assert record.image.file == f"{names[1]}.jpg"


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode there")
def test_a_file_whose_name_is_no_text_is_counted(tmp_path: Path) -> None:
    write_original(tmp_path, "a\udcff", shape("target", 0, 0, 2, 2))
    tally = Tally()
    assert list(read_reasonseg_folder(tmp_path, tmp_path, tally)) == []
    assert dict(tally.left_out) == {ODD_NAME: 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": []}, "at text: expected at least one wording"),
        (
            {"shapes": [{"label": "target", "points": [[1, 2, 3]]}]},
            r"at shapes\[0\].points\[0\]: expected a point",
        ),
        (
            {"shapes": [{"label": "target", "shape_type": "circle", "points": [[1, 2]]}]},
            r"at shapes\[0\].points: expected the two points of a circle",
        ),
        ({"shapes": None}, "at shapes: expected a list, got None"),
    ],
)
def test_a_malformed_original_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write_original(tmp_path, "a", **changes)
    with pytest.raises(RecordError, match=r"a.json, " + message):
        list(read_reasonseg_folder(tmp_path, tmp_path, Tally()))


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    write_original(tmp_path, "a")
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(RecordError, match=r"a.json, at the top: its picture cannot be read: .*a.jpg"):
        list(read_reasonseg_folder(tmp_path, tmp_path, Tally()))


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "id": 3,
        "question": "what holds tea?",
        "is_sentence": True,
        "image": "1.jpg",
        "mask": encode_rle(block(0, 0, 4, 2)),
        "ignore_mask": encode_rle(block(3, 0, 3, 2)),
        "height": 6,
        "width": 10,
        **changes,
    }


def test_the_published_list(tmp_path: Path) -> None:
    plain = entry(id="x", ignore_mask=None, is_sentence=False)
    path = write(
        tmp_path / "val.json",
        [entry(), plain, entry(id=5, mask=None, ignore_mask=None), entry(id=6, mask=entry()["ignore_mask"])],
    )
    tally = Tally()
    first, second, third = read_reasonseg_list(path, "images", tally)
    assert (first.id, first.image.file, first.family) == ("3", "images/1.jpg", "sentence")
    assert boxes(first) == [[(0, 0, 3, 2)]]
    assert first.ignore == encode_rle(block(3, 0, 3, 2))
    assert (second.id, second.ignore, second.family, boxes(second)) == ("x", None, "phrase", [[(0, 0, 4, 2)]])
    assert (third.id, boxes(third)) == ("5", [[]])
    assert dict(tally.left_out) == {NO_PIXEL: 1}


def test_an_ignored_region_alone_is_not_a_missing_target(tmp_path: Path) -> None:
    broken = {"size": [6, 10], "counts": "5"}
    entries = [entry(mask=None), entry(mask=[]), entry(mask=broken, height=6), entry(ignore_mask=broken)]
    tally = Tally()
    assert list(read_reasonseg_list(write(tmp_path / "val.json", entries), "", tally)) == []
    assert dict(tally.left_out) == {ONLY_IGNORED: 1, NO_PIXEL: 1, DAMAGED: 2}


def test_a_malformed_list_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "val.json", [entry(height="6")])
    with pytest.raises(RecordError, match=r"val.json, at \[0\].height: expected a whole number, got '6'"):
        list(read_reasonseg_list(path, "", Tally()))


def test_decimals_of_corners_are_cut_off_as_opencv_cuts_them(tmp_path: Path) -> None:
    folder = tmp_path / "val"
    write_original(folder, "a", shape("target", 1, 1, 3, 3))
    top = json.loads((folder / "a.json").read_text())
    top["shapes"][0]["points"] = [[1.9, 1.9], [3.9, 1.9], [3.9, 3.9], [1.9, 3.9]]
    (folder / "a.json").write_text(json.dumps(top))
    (record,) = read_reasonseg_folder(folder, tmp_path, Tally())
    assert boxes(record) == [[(1, 1, 3, 3)]]


def test_a_file_that_is_no_utf8_is_cp1252(tmp_path: Path) -> None:
    folder = tmp_path / "val"
    write_original(folder, "a", shape("target", 1, 1, 3, 3), text=["the caf\u00e9\u2019s cup"])
    text = json.dumps(json.loads((folder / "a.json").read_text()), ensure_ascii=False)
    (folder / "a.json").write_bytes(text.encode("cp1252"))
    (record,) = read_reasonseg_folder(folder, tmp_path, Tally())
    assert record.instruction == "the caf\u00e9\u2019s cup"


def test_a_list_without_ids_and_sizes(tmp_path: Path) -> None:
    """The released evaluation asks for neither: the size stands in the run-length code."""
    entry = {"question": "mug", "is_sentence": False, "image": "1.jpg", "mask": encode_rle(block_mask())}
    first, second = read_reasonseg_list(write(tmp_path / "val.json", [entry, entry]), "images", Tally())
    assert (first.id, second.id) == ("val-0", "val-1")
    assert (first.image.file, first.image.height, first.image.width) == ("images/1.jpg", 6, 10)
    assert first.ignore is None


def block_mask() -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros((6, 10), dtype=np.bool_)
    mask[1:3, 2:5] = True
    return mask
