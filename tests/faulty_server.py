"""A server of the chat protocol that fails in every way a real one does.

Its faults depend on a hash of the request and on how often that request came, never on the order of requests: a run
with 20 kills meets the same faults as an unbroken one.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from PIL import Image

from tests.scripted_server import serve

# Failures of the transport and the protocol: another try helps.
TRANSPORT = ("slow", "busy", "failing", "cut_connection", "wrong_type", "no_json")
# Replies that arrive and cannot be used: they are sent back with their fault.
BROKEN = ("broken_reply", "wrong_numbers", "refusal", "truncated", "no_text")


@dataclass
class FaultyServer:
    """A server of one model.

    Attributes:
        answer: the right reply to a request.
        faults: share of the first tries of requests that meet each fault.
        repeats: tries of a request that meet its fault; the next one succeeds.
        slow: seconds of a slow answer, and of every other one in `delay`.
        usage: whether answers count tokens.
        refused: options that the server rejects with status 400.
        active, most_active: requests at a time, now and at most.
    """

    answer: Callable[[dict[str, Any]], str]
    faults: Mapping[str, float] = field(default_factory=dict)
    repeats: int = 1
    slow: float = 0.0
    delay: float = 0.0
    usage: bool = True
    refused: tuple[str, ...] = ()
    models: tuple[str, ...] = ("tiny",)
    retry_after: str = "0.05"
    url: str = ""
    met: Counter[str] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)
    requests: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    active: int = 0
    most_active: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, body: bytes) -> tuple[dict[str, Any], str]:
        """A request, and its fault or ""."""
        request: dict[str, Any] = json.loads(body)
        first = json.dumps(request["messages"], sort_keys=True)
        name = hashlib.sha256(first.encode()).hexdigest()
        with self.lock:
            self.requests.append(request)
            self.times.append(time.monotonic())
            self.tries[name] += 1
            fault = self._fault(name) if self.tries[name] <= self.repeats else ""
            self.met[fault] += 1
        return request, fault

    def _fault(self, name: str) -> str:
        place = int(name[:8], 16) / 2**32
        for fault, share in self.faults.items():
            if place < share:
                return fault
            place -= share
        return ""


def text_of(request: dict[str, Any]) -> str:
    """All text of a request."""
    words = []
    for message in request["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        words += [part["text"] for part in parts if part["type"] == "text"]
    return "\n".join(words)


def images_of(request: dict[str, Any]) -> list[Image.Image]:
    """All pictures of a request, decoded."""
    found = []
    for message in request["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else []:
            if part["type"] == "image_url":
                content = base64.b64decode(part["image_url"]["url"].partition(";base64,")[2])
                found.append(Image.open(io.BytesIO(content)))
    return found


def _completion(server: FaultyServer, request: dict[str, Any], fault: str) -> dict[str, Any]:
    text = server.answer(request)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    if fault == "broken_reply":
        message["content"] = text[: len(text) // 2]
    elif fault == "wrong_numbers":
        message["content"] = json.dumps(_without_sense(json.loads(text)))
    elif fault == "refusal":
        message.update(content=None, refusal="I cannot look at this.")
    elif fault == "truncated":
        choice["finish_reason"] = "length"
    elif fault == "no_text":
        message["content"] = ""
    found = {"id": "1", "object": "chat.completion", "created": 1, "model": "tiny", "choices": [choice]}
    if server.usage:
        found["usage"] = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return found


def _without_sense(value: Any) -> Any:
    """The reply with every list of numbers replaced by one of an object that does not exist."""
    if isinstance(value, dict):
        return {key: [999] if key == "numbers" else _without_sense(item) for key, item in value.items()}
    return [_without_sense(item) for item in value] if isinstance(value, list) else value


class _Handler(BaseHTTPRequestHandler):
    server_state: FaultyServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        models = [
            {"id": name, "object": "model", "created": 1, "owned_by": "me"}
            for name in self.server_state.models
        ]
        self.respond(200, json.dumps({"object": "list", "data": models}))

    def do_POST(self) -> None:
        with self.server_state.lock:
            self.server_state.active += 1
            self.server_state.most_active = max(self.server_state.most_active, self.server_state.active)
        try:
            self.complete(*self.server_state.begin(self.rfile.read(int(self.headers["Content-Length"]))))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client gave up, which is tested
        finally:
            with self.server_state.lock:
                self.server_state.active -= 1

    def complete(self, request: dict[str, Any], fault: str) -> None:
        time.sleep(self.server_state.slow if fault == "slow" else self.server_state.delay)
        if refused := [name for name in self.server_state.refused if name in json.dumps(request)]:
            self.respond(400, json.dumps({"error": {"message": f"{refused[0]} is not supported"}}))
        elif fault == "busy":
            self.respond(
                429, json.dumps({"error": {"message": "busy"}}), retry_after=self.server_state.retry_after
            )
        elif fault == "failing":
            self.respond(500, json.dumps({"error": {"message": "failing"}}))
        elif fault == "wrong_type":
            self.respond(200, "<html>welcome</html>", kind="text/html")
        elif fault == "no_json":
            self.respond(200, '{"id": ')
        else:
            text = json.dumps(_completion(self.server_state, request, fault))
            self.respond(200, text, cut=fault == "cut_connection")

    def respond(
        self,
        status: int,
        text: str,
        kind: str = "application/json",
        retry_after: str = "",
        cut: bool = False,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(text.encode()[: len(text) // 2] if cut else text.encode())
        self.close_connection = self.close_connection or cut

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def faulty_server(answer: Callable[[dict[str, Any]], str], **settings: Any) -> Iterator[FaultyServer]:
    """A running server; see `FaultyServer`."""
    server = FaultyServer(answer, **settings)
    with serve(type("Handler", (_Handler,), {"server_state": server})) as url:
        server.url = url
        yield server
