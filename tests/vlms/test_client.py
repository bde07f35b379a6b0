"""The client against a server that answers, dawdles, fails and talks nonsense."""

from __future__ import annotations

import base64
import json
import math
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from instructsam.errors import InputError, MissingExtraError, ServiceError
from instructsam.vlms.client import VLMClient
from instructsam.vlms.protocol import Turn, VLMReply
from tests.scripted_server import ScriptedServer, Step, scripted_server


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


TURNS = [Turn("system", "be brief"), Turn("user", "what is this?", (Image.new("RGB", (3, 2), "red"),))]


def client(server: ScriptedServer, timeout: float = 5.0, retries: int = 0) -> VLMClient:
    return VLMClient("tiny", server.url, timeout=timeout, retries=retries)


def test_words_and_pictures_arrive_and_words_come_back(server: ScriptedServer) -> None:
    server.say("a red picture")
    assert client(server).reply(TURNS, 17) == VLMReply("a red picture")
    request = server.requests[0]
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("tiny", 17, 0)
    assert request["messages"][0] == {"role": "system", "content": "be brief"}
    (picture,) = server.images()
    assert (picture.size, picture.getpixel((0, 0))) == ((3, 2), (255, 0, 0))
    server.say(Step("half a sent", finish="length"))
    assert client(server).reply(TURNS, 17).cut


def test_what_a_repeat_mends_is_repeated(server: ScriptedServer) -> None:
    server.say(Step(status=503), Step("well now"))
    assert client(server, retries=1).reply(TURNS, 9).text == "well now"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step(status=401), "refuses the key: set OPENAI_API_KEY"),
        (Step(status=404), "knows no model 'tiny' or is not a URL of this protocol"),
        (Step(status=400), "refuses with status 400"),
        (Step(status=500), "refuses with status 500"),
        (Step(body='{"choices": []}'), "replied without text"),
        (Step(body='{"choices": [{"message": {"content": null}}]}'), "replied without text"),
        (Step(body="<html>"), "does not answer in the chat protocol"),
    ],
)
def test_failures_are_one_sentence(server: ScriptedServer, step: Step, message: str) -> None:
    server.say(step)
    with pytest.raises(ServiceError, match=message) as caught:
        client(server).reply(TURNS, 9)
    assert server.url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_slow_server_is_given_up(server: ScriptedServer) -> None:
    server.say(Step("too late", delay=0.5))
    with pytest.raises(ServiceError, match=r"no answer within 0.1 s in 1 tries"):
        client(server, timeout=0.1).reply(TURNS, 9)


def test_no_server() -> None:
    with pytest.raises(ServiceError, match="cannot be reached: start the server"):
        VLMClient("tiny", "http://127.0.0.1:9/v1", retries=0).reply(TURNS, 9)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(InputError, match="must begin with http"):
        VLMClient("tiny", "localhost:8000")
    with pytest.raises(InputError, match="name of a model on the server"):
        VLMClient(" ", "http://localhost:8000/v1")
    for options in ({"timeout": 0}, {"timeout": math.nan}, {"timeout": "9"}, {"retries": -1}, {"retries": None},
                    {"retries": 1.5}, {"model": None}, {"base_url": None}, {"base_url": f"http://{KEY}@x".encode()},
                    {"api_key": KEY.encode()}):  # fmt: skip
        given: dict[str, Any] = {"model": "tiny", "base_url": "http://localhost:8000/v1", **options}
        with pytest.raises(InputError, match=f"{next(iter(options))}.* must be") as caught:
            VLMClient(**given)
        assert KEY not in str(caught.value)


KEY = "sk-proj-0123456789abcdefXYZ"


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 422, 429, 500])
@pytest.mark.parametrize("place", ["api_key", "environment", "user", "query"])
def test_keys_are_never_shown_though_the_server_echoes_them(
    server: ScriptedServer,
    status: int,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = server.url
    if place == "environment":
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
    url = url.replace("://", f"://me:{KEY}@") if place == "user" else url
    url = f"{url}?api_key={KEY}&x=1" if place == "query" else url
    asked = VLMClient("tiny", url, api_key=KEY if place == "api_key" else None, retries=0)
    shown = [asked.name, asked.base_url, repr(asked)]
    body = json.dumps({"error": {"message": f"bad key {KEY}\x1b[2J at {url} (Authorization: Bearer {KEY})"}})
    server.say(Step(f"your key is {KEY}") if status == 200 else Step(status=status, body=body))
    with caplog.at_level("DEBUG"):
        try:
            shown.append(asked.reply(TURNS, 9).text)
        except ServiceError as error:
            shown += [str(error), *traceback.format_exception(error)]
    sent = server.headers[-1].get("authorization", "") + server.paths[-1]
    assert KEY in sent or base64.b64encode(f"me:{KEY}".encode()).decode() in sent
    assert not [text for text in shown if KEY in text or "\x1b" in text]
    assert KEY not in "\n".join(record.getMessage() for record in caplog.records if record.levelno >= 20)


def test_keys_in_wrong_settings_are_not_shown() -> None:
    for url in (
        f"me:{KEY}@localhost/v1",
        f"ftp://{KEY}@localhost?k={KEY}",
        f"http://a:{KEY}@[::1",
        f"\nhttp://{KEY}",
    ):
        with pytest.raises(InputError) as caught:
            VLMClient("tiny", url)
        assert KEY not in "".join(traceback.format_exception(caught.value)) or "\n" in url
    with pytest.raises(InputError, match="must be printable ASCII") as caught:
        VLMClient("tiny", "http://localhost:8000/v1", api_key=KEY + "ü")
    assert KEY not in str(caught.value)


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'instructsam\[annotate\]'"):
        VLMClient("tiny", "http://localhost:8000/v1")
