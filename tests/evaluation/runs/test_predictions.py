from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from instructsam.errors import InputError
from instructsam.evaluation.runs.predictions import (
    PredictionFile,
    last_line_is_cut,
    read_header,
    read_predictions,
)
from instructsam.evaluation.runs.stored_prediction import StoredPrediction
from instructsam.structures.masks import encode_rle

HEADER = {"benchmark": "toy", "mode": "generate", "model": "a"}


def make_item(name: str) -> StoredPrediction:
    mask = np.zeros((4, 6), dtype=np.bool_)
    mask[1:3, 2:5] = True
    return StoredPrediction(
        id=name,
        instruction="the “mug”",
        family="category",
        phrases=("mug",),
        status="ok",
        size=(4, 6),
        masks=(encode_rle(mask),),
        scores=(0.1 + 0.2,),
        phrase_ids=(0,),
        seconds=0.25,
    )


def write(path: Path, *names: str) -> None:
    with PredictionFile(path, HEADER) as file:
        for name in names:
            file.append(make_item(name))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    write(path, "a", "b")
    assert list(read_predictions(path)) == [make_item("a"), make_item("b")]
    assert read_header(path)["mode"] == "generate"
    assert make_item("a").decode_masks().sum() == 6


def test_a_file_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    write(path, "a")
    with PredictionFile(path, HEADER) as file:
        assert set(file.done) == {"a"}
        assert file.notes == ()
        file.append(make_item("b"))
    assert [item.id for item in read_predictions(path)] == ["a", "b"]


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_a_torn_last_line_is_dropped_and_said(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "predictions.jsonl"
    write(path, "a", "b")
    path.write_bytes(path.read_bytes()[:-cut])
    with PredictionFile(path, HEADER) as file:
        assert set(file.done) == {"a"}
        assert "last line was cut off" in file.notes[0]
        file.append(make_item("b"))
    assert [item.id for item in read_predictions(path)] == ["a", "b"]


@pytest.mark.parametrize(("cut", "ids"), [(0, ["a", "b"]), (1, ["a", "b"]), (2, ["a"]), (150, ["a"])])
def test_a_file_that_ends_in_part_of_a_line_is_read_without_it(
    tmp_path: Path, cut: int, ids: list[str]
) -> None:
    path = tmp_path / "predictions.jsonl"
    write(path, "a", "b")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut])
    assert [item.id for item in read_predictions(path)] == ids
    assert last_line_is_cut(path) == (len(ids) == 1)


def test_a_torn_header_starts_afresh(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"format": "instr')
    write(path, "a")
    assert [item.id for item in read_predictions(path)] == ["a"]


def test_another_run_is_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    write(path, "a")
    with pytest.raises(InputError, match=r"answers of another run .*mode=generate, this run has direct"):
        PredictionFile(path, {**HEADER, "mode": "direct"})


def test_places_that_do_not_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        PredictionFile(tmp_path / "no" / "p.jsonl", HEADER)
    with pytest.raises(InputError, match="cannot write"):
        PredictionFile(tmp_path, HEADER)
    with pytest.raises(InputError, match="cannot read"):
        list(read_predictions(tmp_path / "none.jsonl"))
    (tmp_path / "other.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(InputError, match="is no predictions file"):
        PredictionFile(tmp_path / "other.jsonl", HEADER)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "line 2: unknown field colour"),
        ({"scores": None}, "line 2: scores must be a list"),
        ({"scores": []}, "line 2.*equally many, got 1 masks, 0 scores, 1 phrase_ids"),
    ],
)
def test_malformed_lines_name_the_place(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "predictions.jsonl"
    write(path, "a")
    header, line = path.read_text().splitlines()
    path.write_text(header + "\n" + json.dumps({**json.loads(line), **change}) + "\n")
    with pytest.raises(InputError, match=message):
        list(read_predictions(path))


def test_broken_json_and_double_ids_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    write(path, "a", "a")
    with pytest.raises(InputError, match="line 3: the id 'a' comes twice"):
        list(read_predictions(path))
    path.write_text(path.read_text() + "{oops}\n")
    with pytest.raises(InputError, match=r"line 3|line 4"):
        list(read_predictions(path))


def test_masks_of_another_size_are_refused() -> None:
    item = make_item("a")
    odd = StoredPrediction(**{**item.__dict__, "size": (6, 4)})
    with pytest.raises(InputError, match=r"'a': masks must have the size \(6, 4\), got \(4, 6\)"):
        odd.decode_masks()
