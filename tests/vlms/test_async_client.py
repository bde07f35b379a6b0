"""The asynchronous client: one try, its faults, and servers that refuse options."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import ServiceError
from instructsam.vlms.async_client import AsyncVLMClient, ChatReply, TemporaryError
from instructsam.vlms.dialect import Dialect, Shape
from instructsam.vlms.picture_urls import PictureUrls
from instructsam.vlms.protocol import Turn
from tests.faulty_server import FaultyServer, faulty_server, images_of, text_of

TURNS = [Turn("user", "what is this?", (Image.new("RGB", (3, 2), "red"),))]
CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with faulty_server(lambda request: '{"a": 1}') as running:
        yield running


def ask(
    server: FaultyServer, count: int = 1, schema: Any = CLOSED, timeout: float = 5.0, **options: Any
) -> tuple[ChatReply, AsyncVLMClient, list[str]]:
    notes: list[str] = []

    async def run() -> tuple[ChatReply, AsyncVLMClient]:
        client = AsyncVLMClient("tiny", server.url, timeout=timeout, note=notes.append)
        shape = None if schema is None else Shape(schema, "answer")
        try:
            for _ in range(count):
                reply = await client.reply(TURNS, 17, 0.5, 3, shape)
        finally:
            await client.close()
        return reply, client

    return *asyncio.run(run()), notes


def test_a_request_and_its_reply(server: FaultyServer) -> None:
    reply, client, notes = ask(server)
    assert reply == ChatReply('{"a": 1}', input_tokens=100, output_tokens=10)
    (request,) = server.requests
    messages, form = request.pop("messages"), request.pop("response_format")
    assert request == {"model": "tiny", "max_tokens": 17, "temperature": 0.5, "seed": 3}
    assert form["json_schema"] == {"name": "answer", "schema": CLOSED, "strict": True}
    assert [part["type"] for part in messages[0]["content"]] == ["image_url", "text"]
    assert (client.dialect, notes) == (Dialect(), [])


def test_free_text_and_open_schemas(server: FaultyServer) -> None:
    ask(server, schema=None)
    assert "response_format" not in server.requests[0]
    ask(server, schema=OPEN)
    assert server.requests[1]["response_format"]["json_schema"]["strict"] is False


@pytest.mark.parametrize(
    ("refused", "dialect", "lacks"),
    [
        (("json_schema",), Dialect("json_object"), "JSON schemas"),
        (("response_format",), Dialect("text"), "structured output"),
        (("temperature",), Dialect(temperature=False), "temperature"),
        (("seed", "json_schema"), Dialect("json_object", seed=False), "JSON schemas, seed"),
    ],
)
def test_a_refused_option_is_left_out_from_then_on(
    server: FaultyServer, refused: tuple[str, ...], dialect: Dialect, lacks: str
) -> None:
    server.refused = refused
    reply, client, notes = ask(server, count=3)
    assert (reply.text, client.dialect) == ('{"a": 1}', dialect)
    assert len(notes) == 1
    assert f"does not accept {lacks}: requests are sent without" in notes[0]
    sent = server.requests[-1]
    assert not [name for name in refused if name in json.dumps(sent)]
    assert [name in text_of(sent) for name in ("one JSON object", json.dumps(CLOSED))] == [
        dialect.structure != "json_schema"
    ] * 2
    assert server.requests[-2] == server.requests[-3] == sent  # the second and third call meet no refusal


def test_max_completion_tokens() -> None:
    (first, *_) = Dialect().alternatives("use 'max_completion_tokens' instead of 'max_tokens'")
    assert first == Dialect(limit="max_completion_tokens")
    assert first.options(5, 0.0, None, None) == {"max_completion_tokens": 5, "temperature": 0.0}


def test_a_request_that_is_refused_for_another_reason_changes_nothing(server: FaultyServer) -> None:
    server.refused = ("what is this",)
    with pytest.raises(
        ServiceError, match=r"refuses with status 400: .*what is this is not supported"
    ) as caught:
        ask(server)
    assert not isinstance(caught.value, TemporaryError)
    assert len(server.requests) == 3  # with a schema, as an object, as text
    server.refused = ()
    assert ask(server)[1].dialect == Dialect()


@pytest.mark.parametrize(
    ("fault", "busy", "processed"),
    [
        ("busy", True, False),
        ("failing", False, False),
        ("cut_connection", False, True),
        ("slow", False, True),
        ("wrong_type", False, True),
        ("no_json", False, True),
    ],
)
def test_failures_that_may_pass(server: FaultyServer, fault: str, busy: bool, processed: bool) -> None:
    server.faults, server.slow, server.retry_after = {fault: 1.0}, 0.5, "7"
    with pytest.raises(TemporaryError) as caught:
        ask(server, timeout=0.2 if fault == "slow" else 5)
    assert (caught.value.busy, caught.value.processed) == (busy, processed)
    assert caught.value.retry_after == (7 if busy else None)
    assert server.url in str(caught.value)


@pytest.mark.parametrize("wait", ["86400", "Fri, 31 Dec 2199 23:59:59 GMT"])
def test_a_wait_of_hours_is_given_up(server: FaultyServer, wait: str) -> None:
    server.faults, server.retry_after = {"busy": 1.0}, wait
    with pytest.raises(ServiceError, match=r"it asks to wait \d+ s: run again after that time") as caught:
        ask(server)
    assert not isinstance(caught.value, TemporaryError)


def test_refusals_and_cut_replies(server: FaultyServer) -> None:
    server.faults = {"refusal": 1.0}
    assert ask(server)[0] == ChatReply("I cannot look at this.", False, True, 100, 10)
    server.faults, server.tries = {"truncated": 1.0}, type(server.tries)()
    assert ask(server)[0].cut


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_photographs_are_jpeg_and_drawings_png(server: FaultyServer) -> None:
    urls = PictureUrls()
    kinds = [urls(image)[:16] for image in (noise(400, 300), noise(100, 50), Image.new("RGB", (900, 900)))]
    assert kinds == ["data:image/jpeg;", "data:image/png;b", "data:image/png;b"]
    assert PictureUrls("png")(noise(400, 300)).startswith("data:image/png;")
    photograph = noise(300, 300)
    assert urls(photograph) == PictureUrls()(noise(300, 300))


def test_a_picture_is_encoded_once_and_forgotten_with_its_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    urls, image = PictureUrls(), noise(300, 300)
    first = urls(image)
    monkeypatch.setattr(urls, "_encode", None)
    assert urls(image) is first
    del image
    gc.collect()
    assert len(urls) == 0


def test_jpeg_keeps_marks_legible() -> None:
    image = Image.new("RGB", (400, 300), (120, 110, 100))
    for x in range(100, 300):
        image.putpixel((x, 150), (255, 0, 0))
    request = {
        "messages": [{"content": [{"type": "image_url", "image_url": {"url": PictureUrls("jpeg")(image)}}]}]
    }
    (seen,) = images_of(request)
    red, green, blue = seen.convert("RGB").getpixel((200, 150))  # type: ignore[misc]
    assert red > 220
    assert max(green, blue) < 60


def test_names_of_models(server: FaultyServer) -> None:
    server.models = ("a", "b")

    async def run() -> list[str]:
        client = AsyncVLMClient("tiny", server.url)
        try:
            return await client.models()
        finally:
            await client.close()

    assert asyncio.run(run()) == ["a", "b"]
