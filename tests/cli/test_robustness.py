"""`instructsam robustness` and `instructsam false-alarms`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import FakeSegmenter, Outcome

Command = Callable[..., Outcome]


def test_robustness_prints_a_table_and_writes_files(
    command: Command, segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    out_folder = tmp_path / "changed"
    code, out, err = command("robustness", "my-model", "--limit", "4", "--out", out_folder)
    assert (code, err) == (0, "")
    assert "## world/val, changed: 4 instructions" in out
    assert "| brightness +30% " in out
    assert segmenter.requests[0] == {"load": "my-model", "device": "auto"}
    assert json.loads((out_folder / "robustness.json").read_text())["instructions"] == 4
    assert (out_folder / "robustness.md").read_text() == out
    assert (out_folder / "untouched.jsonl").is_file()


def test_robustness_as_json(command: Command, segmenter: FakeSegmenter) -> None:
    segmenter.noisy = True
    code, out, _ = command("robustness", "--limit", "2", "--benchmark", "world/own_words", "--json")
    document = json.loads(out)
    assert code == 0
    assert [change["name"] for change in document["changes"]][:2] == ["flip", "crop"]
    assert document["changes"][1]["left_out"] == {"no program to prove the answer again": 2}


def test_false_alarms_of_a_segmenter_that_always_finds_something(
    command: Command, segmenter: FakeSegmenter
) -> None:
    code, out, err = command("false-alarms", "--count", "7")
    assert (code, err) == (0, "")
    assert "| all empty pictures " in out
    assert len(segmenter.requests) == 1 + 14
    segmenter.noisy = True
    code, out, _ = command("false-alarms", "--count", "1", "--json", "--mode", "direct")
    rows = json.loads(out)["rows"]
    assert [row["kind"] for row in rows] == ["noise", "all empty pictures", "absent things on scenes"]
    assert {row["share"] for row in rows} == {1.0}


@pytest.mark.parametrize(
    "arguments",
    [
        ["robustness", "--limit", "0"],
        ["robustness", "--benchmark", "absent"],
        ["robustness", "--device", "gpu"],
        ["false-alarms", "--count", "0"],
        ["false-alarms", "--score-threshold", "2"],
    ],
)
def test_wrong_wishes_are_refused_before_loading(
    command: Command, segmenter: FakeSegmenter, arguments: list[str]
) -> None:
    code, _, err = command(*arguments)
    assert code == 2
    assert err.count("\n") == 1
    assert segmenter.requests == []
