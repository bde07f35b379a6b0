"""Serve a vision-language model by the chat protocol, for a trial: `python tools/serve_vlm.py MODEL --port 8000`.

One request at a time, greedy decoding, no JSON schemas, no keys, this machine only. For real runs use vLLM or SGLang.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from instructsam.errors import InputError, InstructSAMError
from instructsam.images.loader import load_bytes
from instructsam.vlms.protocol import Turn, VisionLanguageModel, VLMReply

MAX_BODY = 256 * 2**20  # bytes
MAX_TOKENS = 4096
IGNORED = ("temperature", "seed")  # greedy decoding needs neither
KNOWN = ("model", "messages", "max_tokens", "max_completion_tokens", "stream", *IGNORED)


class ModelServer(ThreadingHTTPServer):
    """A server of one model; `handle` answers requests in turn."""

    daemon_threads = True

    def __init__(self, model: VisionLanguageModel, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.model, self.lock = model, threading.Lock()

    def complete(self, request: dict[str, Any]) -> dict[str, Any]:
        """The response to a request.

        Raises:
            InputError: the request has an unknown option, an image by URL, ...
        """
        if unknown := sorted(set(request) - set(KNOWN)):
            raise InputError(f"this server does not support {', '.join(unknown)}")
        limit = request.get("max_tokens") or request.get("max_completion_tokens") or 512
        turns = [_turn(message) for message in request["messages"]]
        with self.lock:
            reply = self.model.reply(turns, min(int(limit), MAX_TOKENS))
        return _completion(self.model.name, reply)


class Handler(BaseHTTPRequestHandler):
    """POST /v1/chat/completions and GET /v1/models."""

    server: ModelServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        models = [{"id": self.server.model.name, "object": "model", "created": 0, "owned_by": "local"}]
        found = self.path.partition("?")[0] == "/v1/models"
        self.respond(
            200 if found else 404, {"object": "list", "data": models} if found else _error(self.path)
        )

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= MAX_BODY:
            self.close_connection = True
            return self.respond(413, _error(f"the body must have 1 to {MAX_BODY} bytes"))
        body = self.rfile.read(length)
        if self.path.partition("?")[0] != "/v1/chat/completions":
            return self.respond(404, _error(self.path))
        try:
            return self.respond(200, self.server.complete(json.loads(body)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # InputError is a ValueError
            return self.respond(400, _error(str(error)))
        except InstructSAMError as error:
            return self.respond(500, _error(str(error)))

    def respond(self, status: int, document: dict[str, Any]) -> None:
        """Send a JSON document."""
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Requests hold pictures and texts of the user: nothing is logged."""


def _turn(message: dict[str, Any]) -> Turn:
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    images = tuple(_image(part["image_url"]["url"]) for part in parts if part["type"] == "image_url")
    return Turn(message["role"], "\n".join(part["text"] for part in parts if part["type"] == "text"), images)


def _image(url: str) -> Image.Image:
    head, _, coded = url.partition(";base64,")
    if not head.startswith("data:image/") or not coded:
        raise InputError("an image must be a data URL with base64: this server fetches nothing")
    try:
        return load_bytes(base64.b64decode(coded, validate=True), "the image of a message").image
    except binascii.Error as error:
        raise InputError(f"an image is no base64: {error}") from error


def _completion(name: str, reply: VLMReply) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.text}
    choice = {"index": 0, "message": message, "finish_reason": "length" if reply.cut else "stop"}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": name,
        "choices": [choice],
    }


def _error(text: str) -> dict[str, Any]:
    return {"error": {"message": text, "type": "invalid_request_error"}}


def main() -> None:
    """Load the model and serve it until Ctrl-C."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="folder or hub id")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    from instructsam.vlms.local import load_vlm

    server = ModelServer(load_vlm(options.model, device=options.device), options.port)
    print(f"{options.model} at http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
