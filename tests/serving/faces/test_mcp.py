"""The tool `segment` for agents, called by the protocol's own client: in memory, over HTTP, over stdin."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp import Client, StdioServerParameters

from instructsam.serving.answer_models import PredictionAnswer
from instructsam.serving.app import create_app
from instructsam.serving.server import open_socket, url_of
from tests.serving.clients import client
from tests.serving.fakes import FakeService
from tests.serving.pictures import base64_png

EXAMPLES = Path("src/instructsam/assets/examples")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a running server with a fake service."""
    listener = open_socket("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(FakeService()), log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield url_of(listener) + "/mcp"
    server.should_exit = True
    thread.join()
    listener.close()


def call(target: Any, use: Callable[[Client], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with Client(target) as agent:
            return await use(agent)

    return asyncio.run(run())


def segment(target: Any, **arguments: Any) -> Any:
    given = {"image": base64_png(), "instruction": "the red mugs", **arguments}
    return call(target, lambda agent: agent.call_tool("segment", given))


def test_the_tool_describes_its_arguments(url: str) -> None:
    (tool,) = call(url, lambda agent: agent.list_tools()).tools
    assert tool.name == "segment"
    assert set(tool.input_schema["required"]) == {"image", "instruction"}
    assert "base64" in tool.input_schema["properties"]["image"]["description"]


def test_an_agent_receives_words_a_picture_and_data(url: str) -> None:
    answer = segment(url, masks="polygon")
    assert not answer.is_error, answer.content
    words, picture = answer.content
    assert words.text == "1 instance:\n1. the red mugs: score 0.90, box [0, 0, 40, 64] px"
    assert picture.mime_type == "image/png"
    found = PredictionAnswer.model_validate(answer.structured_content)
    assert found.instances[0].score == pytest.approx(0.9)


def test_no_target_is_said(url: str) -> None:
    answer = segment(url, instruction="nothing", overlay=False)
    (words,) = answer.content
    assert words.text == "Nothing in the image matches."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image": "/etc/passwd"}, "base64"),
        ({"image": "http://127.0.0.1/x.png"}, "not allowed"),
        ({"instruction": " "}, "empty"),
        ({"model": "other"}, "model must be"),
        ({"score_threshold": 3}, "score_threshold"),
    ],
)
def test_faults_are_errors_that_the_agent_can_read(url: str, arguments: dict[str, Any], words: str) -> None:
    answer = segment(url, **arguments)
    assert answer.is_error
    assert words in answer.content[0].text


def test_a_body_that_is_not_of_the_protocol_is_refused() -> None:
    with client() as http:
        assert http.post("/mcp", json={"x": 1}).status_code in (400, 406)
        assert http.post("/mcp", content=b"\x00").status_code < 500


@pytest.mark.slow
def test_stdin_with_the_default_model(tmp_path: Path) -> None:
    outside = tmp_path / "photo.png"
    outside.write_bytes((EXAMPLES / "breakfast.png").read_bytes())
    arguments = ["-m", "instructsam", "mcp", "--root", str(EXAMPLES)]
    server = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))

    async def use(agent: Client) -> Any:
        given = {"image": "breakfast.png", "instruction": "the mugs that are not blue"}
        wrong = {"image": str(outside), "instruction": "mugs"}
        return await agent.call_tool("segment", given), await agent.call_tool("segment", wrong)

    right, wrong = call(server, use)
    assert not right.is_error, right.content
    assert right.structured_content["status"] == "ok"
    assert wrong.is_error
    assert "below the folder" in wrong.content[0].text
