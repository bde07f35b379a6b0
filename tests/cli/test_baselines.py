"""Baselines are named on the command line, opened with their parts, and refused by name before anything loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from instructsam.cli.baselines import AnyOpening
from tests.scripted_server import scripted_server

from .conftest import FakeSegmenter, Outcome

Command = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["agent:"], "an agent needs a VLM"),
        (["my-model", "--vlm", "qwen"], "belong to an agent"),
        (["oracle:", "--vlm-url", "http://x/v1"], "belong to an agent"),
        (["sam3:"], "sam3: needs a folder or hub id"),
        (["sam3:folder", "--quantize", "int8"], "leave it out"),
        (["oracle:oracle:x"], "oracle needs a detector"),
        (["sam3:/absent/folder"], "no base model"),
        (["oracle:sam3:/absent/folder"], "no base model"),
        (["agent:", "--vlm", "/absent/folder"], "no base model"),
        (["agent:", "--vlm", "qwen", "--vlm-url", "localhost"], "must begin with http"),
    ],
)
def test_what_is_wrong_is_one_line(command: Command, arguments: list[str], words: str) -> None:
    code, out, err = command("evaluate", *arguments, "--limit", "1")
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        (None, ("", "")),
        ("sam3", ("", "sam3")),
        ("owner/model", ("", "owner/model")),
        ("oracle:", ("oracle", "")),
    ],
)
def test_only_the_known_words_before_a_colon_are_baselines(model: str | None, parts: tuple[str, str]) -> None:
    assert AnyOpening(model).parts == parts


def test_the_oracle_calls_the_named_model(command: Command, segmenter: FakeSegmenter, tmp_path: Path) -> None:
    code, out, _ = command("evaluate", "oracle:my-model", "--limit", "3", "--json", "--out", tmp_path / "run")
    assert code == 0
    assert segmenter.requests[0] == {"load": "my-model", "device": "auto"}
    asked = segmenter.requests[1:]
    assert all(len(call["phrases"]) == 1 and call["score_threshold"] == 0.0 for call in asked)
    document = json.loads(out)
    assert f"{len(asked)} detector calls in this run" in document["notes"]
    assert document["provenance"]["model"] == "oracle:my-model, weights 0123456789ab"


def test_the_agent_asks_its_server(command: Command, segmenter: FakeSegmenter) -> None:
    with scripted_server() as server:
        server.say({"action": "segment", "phrase": "mug"}, {"action": "accept"})
        code, out, _ = command(
            "evaluate", "agent:", "world/val", "--limit", "1", "--vlm", "qwen", "--vlm-url", server.url
        )
    assert code == 0
    assert "2 VLM calls, 1 detector call in this run" in out
    assert segmenter.requests[0] == {"load": None, "device": "auto"}
    assert segmenter.requests[1]["phrases"] == ["mug"]
    assert [request["model"] for request in server.requests] == ["qwen", "qwen"]
