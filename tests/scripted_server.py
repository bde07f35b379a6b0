"""A server on this machine that speaks the chat-completions protocol and answers from a script."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image


@dataclass
class Step:
    """One answer of the script: words, or a failure."""

    text: str = ""
    status: int = 200
    delay: float = 0.0
    finish: str = "stop"
    body: str | None = None


@dataclass
class ScriptedServer:
    """The script, and the requests that came with their headers and paths; the last step repeats."""

    steps: list[Step] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""

    def say(self, *steps: str | Step | dict[str, Any]) -> None:
        """Write the script anew: words, JSON or whole steps."""
        made = [json.dumps(step) if isinstance(step, dict) else step for step in steps]
        self.steps = [Step(step) if isinstance(step, str) else step for step in made]
        self.requests.clear()

    def texts(self, request: int = -1) -> str:
        """All words of a request's turns."""
        words = []
        for message in self.requests[request]["messages"]:
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            words += [part["text"] for part in parts if part["type"] == "text"]
        return "\n".join(words)

    def images(self, request: int = -1) -> list[Image.Image]:
        """All pictures of a request."""
        found = []
        for message in self.requests[request]["messages"]:
            for part in message["content"] if isinstance(message["content"], list) else []:
                if part["type"] == "image_url":
                    coded = part["image_url"]["url"].removeprefix("data:image/png;base64,")
                    found.append(Image.open(io.BytesIO(base64.b64decode(coded))))
        return found


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """A running server; it is gone afterwards."""
    script = ScriptedServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            script.headers.append({name.lower(): value for name, value in self.headers.items()})
            script.paths.append(self.path)
            script.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            step = script.steps[min(len(script.requests), len(script.steps)) - 1]
            time.sleep(step.delay)
            message = {"role": "assistant", "content": step.text}
            choice = {"index": 0, "message": message, "finish_reason": step.finish}
            whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            failed = {"error": {"message": f"status {step.status}"}}
            text = step.body if step.body is not None else json.dumps(whole if step.status == 200 else failed)
            try:
                self.send_response(step.status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(text.encode())
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has lost patience, which is what is tested

        def log_message(self, *_: Any) -> None:
            pass

    with serve(Handler) as url:
        script.url = url
        yield script


@contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The base URL of a server that runs inside the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
