"""Images by URL: which hosts and addresses are refused, and how much is read."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from instructsam.serving import fetch as module
from instructsam.serving.errors import RequestError
from instructsam.serving.fetch import fetch, may_connect
from instructsam.serving.settings import Limits, ServeSettings
from tests.serving.clients import client
from tests.serving.pictures import png

Answer = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("93.184.215.14", True, True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True, True),
        ("127.0.0.1", False, True),
        ("10.1.2.3", False, True),
        ("192.168.1.1", False, True),
        ("172.16.0.1", False, True),
        ("::1", False, True),
        ("fd12::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("::ffff:93.184.215.14", True, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("2002:a9fe:a9fe::1", False, False),
        ("fe80::1%eth0", False, False),
        ("fd00:ec2::254", False, False),
        ("100.100.100.200", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("100.64.0.1", False, False),
        ("240.0.0.1", False, False),
        ("255.255.255.255", False, False),
    ],
)
def test_addresses(address: str, public: bool, private: bool) -> None:
    assert may_connect(address) == public
    assert may_connect(address, private=True) == private


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example/a.png",
        "http://images.example.other.example/a.png",
        "http://images.example@other.example/a.png",
        "http://user:password@images.example/a.png",
        "http://images.example:22/a.png",
        "http://2130706433/a.png",
        "http://0x7f.1/a.png",
        "http://[::ffff:127.0.0.1]/a.png",
        "http://images.example\\@other.example/",
        "http://images.example/a b",
        "http://images.example/a\r\nX: y",
        "http://images.example:99999/",
        "http://[/",
        "http://",
    ],
)
def test_urls_that_are_never_resolved(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_resolve", None)
    with pytest.raises(RequestError):
        asyncio.run(fetch(url, ServeSettings(allow_hosts=("images.example",))))


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["169.254.169.254"]])
def test_an_allowed_name_with_a_private_address(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(self: Any, host: str, port: int, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    with pytest.raises(RequestError, match="not public"):
        asyncio.run(fetch("http://images.example/a.png", ServeSettings(allow_hosts=("images.example",))))


@pytest.fixture
def host() -> Iterator[Callable[[bytes], str]]:
    """Serves one raw answer per connection; returns HOST:PORT."""
    listener = socket.create_server(("127.0.0.1", 0))

    def start(answer: bytes) -> str:
        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        threading.Thread(target=run, daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    listener.close()


def answer_of(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_an_image_of_an_allowed_private_host(host: Callable[[bytes], str]) -> None:
    place = host(answer_of(png()))
    caller = client(settings=ServeSettings(allow_private_hosts=(place,)))
    answer = caller.post("/v1/segment", json={"image": f"http://{place}/a.png", "instructions": ["a"]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["width"] == 80


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (answer_of(b"", "302 Found", "Location: http://169.254.169.254/"), "redirects"),
        (answer_of(b"", "404 Not Found"), "status 404"),
        (answer_of(b"x" * 2000), "larger than 1000 bytes"),
        (answer_of(b"x", "200 OK", "Content-Encoding: gzip"), "compressed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", "cannot be fetched"),
        (b"not http", "cannot be fetched"),
        (b"", "cannot be fetched"),
    ],
)
def test_answers_that_are_refused(raw: bytes, words: str, host: Callable[[bytes], str]) -> None:
    place = host(raw)
    settings = ServeSettings(allow_private_hosts=(place,), limits=Limits(max_bytes=1000))
    with pytest.raises(RequestError, match=words):
        asyncio.run(fetch(f"http://{place}/a.png?key=hidden", settings))


def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FETCH_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RequestError, match="did not answer") as caught:
            asyncio.run(fetch(f"http://{place}/?key=hidden", ServeSettings(allow_private_hosts=(place,))))
    assert "hidden" not in str(caught.value)
