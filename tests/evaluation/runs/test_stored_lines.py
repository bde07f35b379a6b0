"""Whatever stands in predictions.jsonl: the project's own error with file and line, at once."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instructsam.errors import InputError
from instructsam.evaluation.rescore import rescore
from instructsam.evaluation.runs.predictions import PredictionFile, by_id, read_header, read_predictions
from instructsam.evaluation.runs.stored_prediction import StoredPrediction
from instructsam.evaluation.runs.stored_run import stored_limit, stored_threshold
from instructsam.structures.masks import encode_rle
from tests.evaluation.fakes import RECORDS, toy_benchmark

HEADER = {"benchmark": "toy", "mode": "generate", "model": "a"}
RLE = encode_rle(np.ones((4, 6), dtype=np.bool_))
GOOD: dict[str, Any] = {
    "id": "a",
    "instruction": "the mug",
    "family": "",
    "phrases": ["mug"],
    "status": "ok",
    "size": [4, 6],
    "masks": [RLE],
    "scores": [0.5],
    "phrase_ids": [0],
    "seconds": 0.25,
    "content": "",
    "reason": "",
}
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    7,
    0.5,
    "",
    "x",
    [],
    [[]],
    {},
    [None],
    [True],
    [-1],
    [2],
    [0.5],
    ["x"],
)
NUMBERS = ("9" * 5000, "1e400", "-1e400", "NaN", "Infinity", "1" + "0" * 29, "[" * 5000 + "]" * 5000)


def write(path: Path, text: str) -> Path:
    header = json.dumps({"format": "instructsam-predictions-2", **HEADER})
    path.write_text(header + "\n" + text + "\n")
    return path


def outcome(path: Path) -> str:
    """What is wrong, "" if nothing; any error but the project's own fails the test."""
    try:
        for item in read_predictions(path):
            item.decode_masks()
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("field", sorted(GOOD))
def test_odd_values_name_file_and_line(field: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    assert outcome(write(path, json.dumps(GOOD))) == ""
    wrong = 0
    for value in ODD:
        message = outcome(write(path, json.dumps({**GOOD, field: value})))
        wrong += bool(message)
        assert not message or f"{path}, line 2" in message, (field, value)
    assert wrong >= 13, "texts accept two of these values, numbers three"
    for number in NUMBERS:
        text = json.dumps({**GOOD, field: "HERE"}).replace('"HERE"', number)
        assert outcome(write(path, text)), (field, number[:20])
        text = json.dumps({**GOOD, field: ["HERE"]}).replace('"HERE"', number)
        assert outcome(write(path, text)), (field, number[:20])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, "id must not be empty"),
        ({"phrase_ids": [1]}, r"phrase_ids\[0\] must be a whole number from 0 to 0, got int 1"),
        ({"phrase_ids": [-1]}, r"phrase_ids\[0\].*got int -1"),
        ({"phrase_ids": [0.0]}, r"phrase_ids\[0\].*got float 0.0"),
        ({"phrase_ids": [False]}, r"phrase_ids\[0\].*got bool False"),
        ({"scores": [1.5]}, r"scores\[0\] must be a number from 0 to 1, got float 1.5"),
        ({"scores": ["0.5"]}, r"scores\[0\].*got str '0.5'"),
        ({"size": [4, 6, 1]}, r"size must be \[height, width\]"),
        ({"size": [100_000, 100_000]}, r"size must be \[height, width\] of at most"),
        ({"size": [4.0, 6.0]}, r"size\[0\] must be a whole number of pixels, got float 4.0"),
        ({"masks": [{"size": [4, 6]}]}, r"the field masks\[0\].counts is missing"),
        ({"masks": [3]}, r"masks\[0\] must be a run-length code .* got int 3"),
        (
            {"masks": [{"size": [4, 6], "counts": [24]}]},
            r"masks\[0\].counts must be text that is not empty, got list",
        ),
        ({"masks": [{"size": [6, 4], "counts": "0"}]}, r"masks\[0\]: masks must have the size \(4, 6\)"),
        ({"masks": [{"size": [True, 6], "counts": "0"}]}, r"masks\[0\]: masks must have the size \(4, 6\)"),
        ({"masks": [{"size": [4, 6], "counts": "zzz"}]}, "line 2: RLE"),
        ({"masks": [{"size": [4, 6], "counts": "1"}]}, "line 2: RLE"),
        ({"status": "unanswered"}, "an unanswered record must have no masks, got 1"),
        ({"status": "fine"}, "status must be one of 'ok', 'no_target'"),
        ({"seconds": -1}, "seconds must be a number"),
    ],
)
def test_messages(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "predictions.jsonl", json.dumps({**GOOD, **change}))
    assert re.search(f"line 2.*{message}|{message}", outcome(path))


def test_masks_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    size = [13_000, 13_000]
    line = {**GOOD, "size": size, "masks": [{"size": size, "counts": "0"}] * 99, "scores": [0.5] * 99}
    path = write(tmp_path / "predictions.jsonl", json.dumps({**line, "phrase_ids": [0] * 99}))
    assert "99 masks of 13000 x 13000 pixels exceed" in outcome(path)


@pytest.mark.parametrize(
    "first",
    ["", "null", "[]", '{"format": 2}', '{"format": "instructsam-predictions-2", "model": 3}', "9" * 5000],
)
def test_odd_headers(first: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text(first + "\n")
    with pytest.raises(InputError, match="predictions"):
        read_header(path)


def test_binary_and_nul_bytes_name_the_line(tmp_path: Path) -> None:
    path = write(tmp_path / "predictions.jsonl", json.dumps(GOOD))
    path.write_bytes(path.read_bytes() + b"\0" * 40 + b"\n")  # what a power cut leaves
    assert f"{path}, line 3: this is not JSON" in outcome(path)
    path.write_bytes(path.read_bytes() + b"\xff\n")
    assert "line 3" in outcome(path)


def test_the_first_format_is_scored_again_but_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    record = RECORDS[2]
    line = {**GOOD, "id": record.id, "instruction": record.instruction, "size": [20, 40], "masks": []}
    line = {**line, "scores": [], "phrase_ids": []}
    del line["content"], line["reason"]
    header = {"format": "instructsam-predictions-1", **HEADER}
    path.write_text(json.dumps(header) + "\n" + json.dumps(line) + "\n")
    assert rescore(path, toy_benchmark(), 0.5).summary["overall"]["n_acc"] == 1.0
    with pytest.raises(InputError, match="earlier version and cannot be continued"):
        PredictionFile(path, HEADER)


def test_a_line_may_replace_another_content_but_not_the_same(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    item = StoredPrediction(**{**GOOD, "phrases": ("mug",), "size": (4, 6), "masks": (), "scores": (),
                               "phrase_ids": ()})  # fmt: skip
    with PredictionFile(path, HEADER) as file:
        for content, phrase in (("one", "a"), ("two", "b"), ("one", "c")):
            file.append(StoredPrediction(**{**item.__dict__, "content": content, "phrases": (phrase,)}))
    assert by_id(read_predictions(path))["a"].phrases == ("c",)
    with PredictionFile(path, HEADER) as file:
        file.append(StoredPrediction(**{**item.__dict__, "content": "one"}))
    with pytest.raises(InputError, match="line 5: the id 'a' comes twice"):
        list(read_predictions(path))


def test_half_a_character_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    item = StoredPrediction("a\ud83d", "the \ud83d", "", (), "no_target", (4, 6), (), (), (), 0.0)
    with PredictionFile(path, HEADER) as file:
        file.append(item)
    assert list(read_predictions(path)) == [item]


def test_a_full_disk_is_one_message(tmp_path: Path) -> None:
    file = PredictionFile(tmp_path / "predictions.jsonl", HEADER)
    file.close()
    file._stream = open("/dev/full", "ab", buffering=0)  # noqa: SIM115
    with pytest.raises(InputError, match="the answers so far are kept, start again to resume"):
        file.append(StoredPrediction("a", "x", "", (), "no_target", (4, 6), (), (), (), 0.0))
    file.close()


@pytest.mark.parametrize("value", ["NaN", "1e400", "9" * 5000, '"0.5"', "true", "[[", "{}"])
def test_an_odd_report_beside_a_run(value: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    (tmp_path / "report.json").write_text(
        f'{{"provenance": {{"score_threshold": {value}, "limit": {value}}}}}'
    )
    with pytest.raises(InputError, match="give it with --score-threshold"):
        stored_threshold(path)
    with pytest.raises(InputError, match=r"report\.json"):
        stored_limit(path)
