"""Inst2Seg lines: what is written is read, and what is wrong is named."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instructsam.data.record import InstanceRecord, parse_record, read_records, record_to_dict, write_records
from instructsam.errors import RecordError
from instructsam.structures.masks import encode_rle, merge_rles

MASK = np.zeros((4, 6), dtype=np.bool_)
MASK[1:3, 2:5] = True
GOOD: dict[str, Any] = {
    "id": "kitchen-1",
    "image": {"file": "images/kitchen.png", "height": 4, "width": 6},
    "instruction": "segment the mugs, and separately the bananas",
    "phrases": [
        {
            "text": "mug",
            "instances": [{"rle": encode_rle(MASK), "box_xywh": [2, 1, 3, 2], "category": "mug"}],
        },
        {"text": "banana", "instances": []},
    ],
    "family": "multi",
    "meta": {"source": "by hand"},
}


def test_round_trip(tmp_path: Path) -> None:
    record = parse_record(GOOD, "here")
    assert record.phrases[0].instances[0].box_xywh == (2.0, 1.0, 3.0, 2.0)
    assert record.phrases[1].instances == ()
    minimal = parse_record(
        {k: v for k, v in GOOD.items() if k not in ("family", "meta")} | {"id": "é"}, "here"
    )
    path = tmp_path / "r.jsonl"
    assert write_records(path, [record, minimal]) == 2
    assert list(read_records(path)) == [record, minimal]
    assert record_to_dict(record) == GOOD


def test_an_instance_is_known_by_its_mask_or_its_box_or_a_point(tmp_path: Path) -> None:
    instances = [
        {"rle": encode_rle(MASK), "box_xywh": [2, 1, 3, 2], "point_xy": [3, 1.5]},
        {"rle": encode_rle(MASK)},
        {"box_xywh": [2, 1, 3, 2], "category": "mug"},
        {"point_xy": [6, 4]},
    ]
    record = parse_record(GOOD | {"phrases": [{"text": "mug", "instances": instances}]}, "here")
    found = record.phrases[0].instances
    assert [one.known for one in found] == ["mask", "mask", "box", "point"]
    assert found[3] == InstanceRecord(None, None, point_xy=(6.0, 4.0))
    write_records(tmp_path / "r.jsonl", [record])
    assert list(read_records(tmp_path / "r.jsonl")) == [record]
    assert record_to_dict(record)["phrases"][0]["instances"] == instances


def test_ignored_pixels_crowds_and_other_annotators_come_back(tmp_path: Path) -> None:
    instance = deepcopy(GOOD["phrases"][0]["instances"][0])
    full = GOOD | {
        "ignore": encode_rle(MASK),
        "crowds": [encode_rle(~MASK)],
        "alternatives": [[instance], []],
    }
    record = parse_record(full, "here")
    assert record.ignore == encode_rle(MASK)
    assert record.crowds == (encode_rle(~MASK),)
    assert record.alternatives == (record.phrases[0].instances, ())
    path = tmp_path / "r.jsonl"
    write_records(path, [record])
    assert list(read_records(path)) == [record]
    assert record_to_dict(record) == full


def test_the_documented_example_is_valid() -> None:
    text = (Path(__file__).parents[2] / "docs" / "inst2seg.md").read_text(encoding="utf-8")
    example = text.split("```json")[1].split("```")[0]
    record = parse_record(json.loads(example), "docs")
    assert [len(phrase.instances) for phrase in record.phrases] == [1, 0]
    kinds = [json.loads(line) for line in text.split("```json")[2].split("```")[0].strip().splitlines()]
    three = GOOD | {"phrases": [{"text": "mug", "instances": kinds}]}
    known = [instance.known for instance in parse_record(three, "docs").phrases[0].instances]
    assert known == ["mask", "box", "point"]


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(data: Any) -> None:
        *parents, last = [int(p) if p.isdigit() else p for p in path.split("/")]
        for parent in parents:
            data = data[parent]
        if value is DROP:
            del data[last]
        else:
            data[last] = value

    return apply


DROP = object()
INSTANCE = "phrases/0/instances/0"
FIELD = "phrases[0].instances[0]"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change("phrase", []), "field phrase: unknown field; did you mean phrases?"),
        (change("image/heigth", 4), "field image.heigth: unknown field; did you mean image.height?"),
        (
            change(f"{INSTANCE}/bbox", []),
            f"field {FIELD}.bbox: unknown field; did you mean {FIELD}.box_xywh?",
        ),
        (change("id", DROP), "field id: the field is missing"),
        (
            change(INSTANCE, {"category": "mug"}),
            f"field {FIELD}: expected at least one of rle, box_xywh and point_xy, got {{'category': 'mug'}}",
        ),
        (change(f"{INSTANCE}/point_xy", [1, 2, 3]), f"field {FIELD}.point_xy: expected two finite numbers"),
        (
            change(f"{INSTANCE}/point_xy", [7, 2]),
            f"field {FIELD}.point_xy: expected a point inside the 6 x 4",
        ),
        (change("id", 7), "field id: expected text that is not empty, got 7"),
        (change("instruction", "  "), "field instruction: expected text that is not empty, got '  '"),
        (change("family", None), "field family: expected text, got None"),
        (change("meta", []), "field meta: expected an object, got []"),
        (change("image", "a.png"), "field image: expected a JSON object, got 'a.png'"),
        (change("image/file", "../a.png"), "field image.file: expected a path with forward slashes inside"),
        (change("image/file", "/a.png"), "field image.file: expected a path with forward slashes inside"),
        (change("image/file", "images\\a.png"), "field image.file: expected a path with forward slashes"),
        (change("image/height", 0), "field image.height: expected a positive whole number of pixels, got 0"),
        (
            change("image/width", 6.0),
            "field image.width: expected a positive whole number of pixels, got 6.0",
        ),
        (change("phrases", []), "field phrases: expected at least one phrase, got []"),
        (change("phrases", {}), "field phrases: expected a list, got {}"),
        (change("phrases/1/text", ""), "field phrases[1].text: expected text that is not empty"),
        (change("phrases/1/instances", None), "field phrases[1].instances: expected a list, got None"),
        (
            change(f"{INSTANCE}/rle/size", [6, 4]),
            f"field {FIELD}.rle.size: expected the image's [height, width]",
        ),
        (change(f"{INSTANCE}/rle/counts", "5"), f"field {FIELD}.rle.counts: RLE runs must fill 4 x 6"),
        (
            change(f"{INSTANCE}/rle/counts", "h0"),
            f"field {FIELD}.rle.counts: expected a mask with at least one",
        ),
        (change(f"{INSTANCE}/box_xywh", [1, 2, 3]), f"field {FIELD}.box_xywh: expected four finite numbers"),
        (change(f"{INSTANCE}/box_xywh", [2, 1, 0, 2]), f"field {FIELD}.box_xywh: expected a positive width"),
        (
            change(f"{INSTANCE}/box_xywh", [2, 1, 9, 2]),
            f"field {FIELD}.box_xywh: expected a box inside the 6 x 4",
        ),
        (change("ignore", {"size": [4, 6]}), "field ignore.counts: the field is missing"),
        (change("crowds", [encode_rle(MASK), 3]), "field crowds[1]: expected a JSON object, got 3"),
        (change("alternatives", [[], {}]), "field alternatives[1]: expected a list, got {}"),
        (change("alternatives", [[{}]]), "field alternatives[0][0]: expected at least one of rle"),
        (change(f"{INSTANCE}/category", 3), f"field {FIELD}.category: expected text, got 3"),
        (change(f"{INSTANCE}/category", "\udc80"), f"field {FIELD}.category contains a lone surrogate"),
        (
            change("instruction", "mugs \ud83d"),
            "field instruction contains a lone surrogate (U+D83D at position 5)",
        ),
        (change("image/file", "a\0.png"), "field image.file: expected a path of at most 4096 letters"),
        (change("image/file", "a" * 5000), "field image.file: expected a path of at most 4096 letters"),
        (change("image/width", 10**9), "field image: [height, width] must have at most 178956970 pixels"),
        (change("two\nlines", 1), r"field 'two\nlines': unknown field"),
        (change("n" * 10**6, 1), f"field {'n' * 60}: unknown field"),
        (change(f"{INSTANCE}/box_xywh", [2, 1, 10**29, 2]), f"field {FIELD}.box_xywh: expected a box inside"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, edit: Callable[[Any], None], message: str) -> None:
    bad = deepcopy(GOOD)
    edit(bad)
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(bad) + "\n", encoding="utf-8")
    records = read_records(path)
    next(records)
    with pytest.raises(RecordError) as caught:
        next(records)
    assert f"r.jsonl, line 2, {message}" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "{'id': 1}",
            "line 1: this is not JSON (Expecting property name enclosed in double quotes, column 2)",
        ),
        ("", "line 1: expected a JSON object, got an empty line"),
        ("[1, 2]", "line 1: expected a JSON object, got [1, 2]"),
        ('{"id": NaN}', "line 1: NaN is not a JSON number: use a finite one"),
        ('{"id": 1e400}', "line 1: 1e400 is not a JSON number"),
        ('{"id": ' + "9" * 5000 + "}", "line 1: an integer of 5000 digits"),
        ("[" * 100_000, "line 1: the JSON is nested too deep to be data"),
    ],
)
def test_lines_that_are_no_object(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        list(read_records(path))
    assert message in str(caught.value)


def test_an_id_is_used_once(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text((json.dumps(GOOD) + "\n") * 2, encoding="utf-8")
    with pytest.raises(RecordError, match="line 2, field id: 'kitchen-1' is already used on line 1"):
        list(read_records(path))


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"missing.jsonl: the records cannot be read"):
        list(read_records(tmp_path / "missing.jsonl"))
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(b'{"id": "\xe9"}\n')
    with pytest.raises(RecordError, match=r"latin.jsonl, line 1 is not UTF-8 text \(byte 8 is 0xe9\)"):
        list(read_records(latin))


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("\ufeff" + json.dumps(GOOD) + "\r\n" + json.dumps(GOOD | {"id": "2"}), encoding="utf-8")
    assert [record.id for record in read_records(path)] == ["kitchen-1", "2"]


def test_a_short_record_of_a_huge_mask_takes_no_memory(tmp_path: Path) -> None:
    """250 bytes cannot ask for gigabytes: a mask is checked by its runs, and too many pixels are refused."""
    image = {"file": "a.png", "height": 13_000, "width": 13_000}
    rle = merge_rles([{"size": [13_000, 13_000], "counts": [0, 13_000**2]}])
    instance = {"rle": rle, "box_xywh": [0, 0, 13_000, 13_000]}
    record = GOOD | {"image": image, "phrases": [{"text": "all", "instances": [instance] * 50}]}
    tracemalloc.start()
    assert len(parse_record(record, "here").phrases[0].instances) == 50
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_whatever_meta_holds_is_written_or_named(tmp_path: Path) -> None:
    record = parse_record(GOOD | {"meta": {"name": "half \ud83d é"}}, "here")
    write_records(tmp_path / "r.jsonl", [record])
    assert list(read_records(tmp_path / "r.jsonl")) == [record]
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for odd in (float("nan"), {1, 2}, deep):
        with pytest.raises(RecordError, match=r"record 1, field meta: expected JSON values"):
            write_records(tmp_path / "r.jsonl", [parse_record(GOOD | {"meta": {"a": odd}}, "here")])


def test_what_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    record = parse_record(GOOD, "here")
    empty = type(record)("x", record.image, "", record.phrases)
    with pytest.raises(RecordError, match="record 1, field instruction"):
        write_records(tmp_path / "r.jsonl", [empty])
    with pytest.raises(RecordError, match="cannot be written"):
        write_records(tmp_path / "no" / "r.jsonl", [record])
