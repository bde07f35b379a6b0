"""Every command that writes checks its destination before it loads a model or draws anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import FakeSegmenter, Outcome

Command = Callable[..., Outcome]

COMMANDS = {
    "segment": (["segment", "PHOTO", "x", "--out", "OUT"], "predictions.json"),
    "demo": (["demo", "--out", "OUT"], "predictions.json"),
    "evaluate": (["evaluate", "--limit", "1", "--out", "OUT"], ""),
    "robustness": (["robustness", "--limit", "1", "--out", "OUT"], ""),
    "world sample": (["world", "sample", "--out", "OUT"], "sheet.png"),
    "world kinds": (["world", "kinds", "--out", "OUT"], "kinds.png"),
    "world build": (["world", "build", "--split", "val", "--out", "OUT"], "records.jsonl"),
    "convert": (["convert", "absent/model", "OUT", "--to", "native"], ""),
    "average": (["average", "absent/one", "absent/other", "OUT"], ""),
    "build": (["build", "OUT", "--vlm", "absent/vlm", "--detector", "absent/sam3"], ""),
}


def refused(outcome: Outcome) -> str:
    code, out, err = outcome
    assert (code, out, err.count("\n")) == (2, "", 1), err
    return err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_destination_that_cannot_be_written(
    command: Command, photo: Path, tmp_path: Path, segmenter: FakeSegmenter, name: str
) -> None:
    arguments, file = COMMANDS[name]
    blocker = tmp_path / "blocker"
    blocker.write_text("x")
    places = [blocker, blocker / "inside", tmp_path / ("n" * 300)]
    if file:
        places.append(tmp_path / "out")
        (tmp_path / "out" / file).mkdir(parents=True)
    for place in places:
        filled = [{"PHOTO": str(photo), "OUT": str(place)}.get(word, word) for word in arguments]
        assert place.name in refused(command(*filled))
    assert segmenter.requests == []
    assert blocker.read_text() == "x"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["convert", "m", "OUT", "--to", "native", "--max-shard-gb", "inf"], "--max-shard-gb"),
        (["convert", "m", "OUT", "--to", "native", "--max-shard-gb", "nan"], "--max-shard-gb"),
        (["convert", "m", "OUT", "--to", "native", "--dtype", "int3"], "--dtype"),
        (["average", "m", "n", "OUT", "--share", "1.1"], "--share"),
        (["average", "m", "n", "OUT", "--share", "nan"], "--share"),
        (["build", "OUT", "--dtype", "int3"], "--dtype"),
        (["build", "OUT", "--num-queries", "0"], "--num-queries"),
        (["build", "OUT", "--seed", "-1"], "--seed"),
    ],
)
def test_options_are_checked_before_a_model_is_fetched(
    command: Command, tmp_path: Path, arguments: list[str], word: str
) -> None:
    assert word in refused(command(*(str(tmp_path / "new") if w == "OUT" else w for w in arguments)))


def test_a_built_split_is_not_overwritten(command: Command, tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text("mine")
    assert "exists already" in refused(command("world", "build", "--split", "val", "--out", tmp_path))
    assert (tmp_path / "records.jsonl").read_text() == "mine"
