"""Stored runs: scored again and compared, without a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import FakeSegmenter, Outcome

Command = Callable[..., Outcome]


@pytest.fixture
def run(command: Command, segmenter: FakeSegmenter, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    code, _, _ = command("evaluate", "--limit", "4", "--out", folder)
    assert code == 0
    segmenter.requests.clear()
    return folder


def test_a_stored_run_is_scored_again(command: Command, segmenter: FakeSegmenter, run: Path) -> None:
    before = json.loads((run / "report.json").read_text())
    code, out, err = command("evaluate", "--predictions", run, "--json")
    assert (code, err) == (0, "")
    again = json.loads(out)
    assert again["summary"] == before["summary"]
    assert again["provenance"]["data"] == before["provenance"]["data"]
    assert segmenter.requests == []
    code, out, _ = command(
        "evaluate", "--predictions", run / "predictions.jsonl", "--score-threshold", "0.9", "--json"
    )
    assert json.loads(out)["provenance"]["score_threshold"] == 0.9
    assert json.loads(out)["summary"]["overall"]["t_acc"] == 0.0


def test_a_stored_run_takes_no_model(command: Command, run: Path) -> None:
    code, _, err = command("evaluate", "my-model", "--predictions", run)
    assert (code, err.count("\n")) == (2, 1)
    assert "leave out MODEL and --limit" in err
    code, _, err = command("evaluate", "--predictions", run, "--benchmark", "world/test")
    assert code == 2
    assert "world/val" in err


def test_two_runs_are_compared(command: Command, segmenter: FakeSegmenter, run: Path) -> None:
    code, out, err = command("compare", run, run, "--resamples", "20")
    assert (code, err) == (0, "")
    assert "## world/val: 4 instructions" in out
    assert "| gIoU" in out
    code, out, _ = command("compare", run, run, "--resamples", "20", "--json", "--score-threshold", "0.5")
    assert json.loads(out)["differences"]["giou"]["difference"] == 0.0
    assert segmenter.requests == []
    code, _, err = command("compare", run, run / "absent")
    assert (code, err.count("\n")) == (2, 1)


def test_runs_on_two_benchmarks_are_not_compared(command: Command, run: Path, tmp_path: Path) -> None:
    command("evaluate", "--limit", "1", "--benchmark", "world/test", "--out", tmp_path / "other")
    code, _, err = command("compare", run, tmp_path / "other")
    assert code == 2
    assert "compare runs on one benchmark" in err
