"""Requests that no client should send: random, and repeatable by their seed."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests.serving.pictures import png

TARGETS = ("/v1/segment", "/v1/segment", "/v1/segment", "/v1/segment/batch")
_FIELDS = (
    "image", "instructions", "phrases", "mode", "score_threshold", "model", "masks", "tolerance", "overlay",
    "requests", "tasks", "label_config", "schema", "params", "extra", "__proto__", "", "\u202e", "a" * 5000,
)  # fmt: skip
_JSON = "application/json"


@dataclass(frozen=True)
class Malformed:
    """A request.

    Attributes:
        kind: of the defect.
        content: all bytes sent.
        framed: the head is proper HTTP, so one of the documented statuses is expected.
        path: of the route.
    """

    kind: str
    content: bytes
    framed: bool
    path: str


def malformed(seed: int, paths: tuple[str, ...] = TARGETS) -> Malformed:
    """The request of a seed, to one of the paths."""
    rng = random.Random(seed)
    kind, make = rng.choice(list(_KINDS.items()))
    path = rng.choice(paths)
    if kind == "head":
        return Malformed(kind, _head(rng, path), False, path)
    body, content_type = make(rng)
    return Malformed(kind, framed(path, body, content_type, rng), True, path)


def framed(path: str, body: bytes, content_type: str, rng: random.Random) -> bytes:
    """A proper head for a body, or chunks of it."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {content_type}", "Connection: close"]
    if rng.random() < 0.2:
        cuts = sorted(rng.randrange(len(body) + 1) for _ in range(rng.randrange(4)))
        parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if b > a]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        lines += ["Transfer-Encoding: chunked", "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace") + chunks
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + body


def _value(rng: random.Random, depth: int = 0) -> Any:
    simple: list[Callable[[], Any]] = [
        lambda: None,
        lambda: rng.choice([True, False]),
        lambda: rng.choice([0, -1, 2**31, 2**63, 10**40, -(10**400), 1e308, float("nan"), float("inf"), 0.5]),
        lambda: rng.choice(
            ["", " ", "\0", "a\0b", "\ud800", "\u202e", "é" * 3000, "nothing", "\x1b[2J", "../.."]
        ),
        lambda: rng.choice(
            ["http://127.0.0.1/", "file:///etc/passwd", "data:,", "data:image/png;base64,", "%%%"]
        ),
        lambda: "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randrange(20))),
        lambda: base64.b64encode(_broken_image(rng)).decode(),
    ]
    if depth > 2 or rng.random() < 0.7:
        return rng.choice(simple)()
    if rng.random() < 0.5:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(5))]
    return {rng.choice(_FIELDS): _value(rng, depth + 1) for _ in range(rng.randrange(4))}


def _fields(rng: random.Random) -> tuple[bytes, str]:
    """A valid body with fields replaced, added or left out."""
    body: dict[str, Any] = {"image": base64.b64encode(png(8, 8)).decode(), "instructions": ["a"]}
    for _ in range(rng.randrange(1, 4)):
        body[rng.choice(_FIELDS)] = _value(rng)
    if rng.random() < 0.3:
        body.pop(rng.choice(list(body)))
    if rng.random() < 0.3:
        body = {"requests": [body, _value(rng)]}
    return json.dumps(body).encode("utf-8", "surrogatepass"), _JSON


def _json(rng: random.Random) -> tuple[bytes, str]:
    """No JSON, or JSON that hurts."""
    good = json.dumps({"image": "aGVsbG8=", "instructions": ["a"]}).encode()
    made: list[Callable[[], bytes]] = [
        lambda: good[: rng.randrange(len(good))],
        lambda: rng.randbytes(rng.randrange(400)),
        lambda: rng.choice([b"[", b'{"a":', b'{"requests":[', b'[{"a":']) * rng.choice([10, 1000, 100_000]),
        lambda: b"[" * 5000 + b"]" * 5000,
        lambda: b'{"image": ' + b"9" * rng.choice([10, 5000, 200_000]) + b"}",
        lambda: (
            b'{"score_threshold": ' + rng.choice([b"NaN", b"-Infinity", b"1e99999", b"0x1", b"01"]) + b"}"
        ),
        lambda: b"\xef\xbb\xbf" + good,
        lambda: good.decode().encode(rng.choice(["utf-16", "utf-32"])),
        lambda: b'{"image": "\\u' + rng.choice([b"d800", b"0000", b"zzzz", b"DC00\\uD800"]) + b'"}',
        lambda: b'{"image": "a", "image": "b", "instructions": "c"}',
        lambda: b'{"image": "\xff\xfe"}',
        lambda: rng.choice([b"", b"null", b"0", b'"a"', b"[]", b"{}", b"true", b"\0", b"{'a': 1}"]),
        lambda: b'{"instructions": [' + b'"a",' * 20_000 + b'"a"], "image": "aGVsbG8="}',
    ]
    return rng.choice(made)(), _JSON


def _broken_image(rng: random.Random) -> bytes:
    content = io.BytesIO()
    form = rng.choice(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"])
    Image.open(io.BytesIO(png(16, 16, rng.randrange(4)))).save(content, form)
    data = bytearray(content.getvalue())
    if rng.random() < 0.3:
        return bytes(data[: rng.randrange(len(data))])
    if rng.random() < 0.2:
        return _bomb(rng)
    for _ in range(rng.choice([1, 3, 30])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _bomb(rng: random.Random) -> bytes:
    """A PNG whose header states a large size, or whose text chunk expands to megabytes."""
    width, height = rng.choice([(100_000, 100_000), (2**31 - 1, 1), (7000, 7200), (0, 0), (60_000, 1)])
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    if rng.random() < 0.5:
        chunks.append((b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 8_000_000)))
    chunks += [(b"IDAT", zlib.compress(b"\0" * 100_000)), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _image(rng: random.Random) -> tuple[bytes, str]:
    """A damaged image in a proper request."""
    data = _broken_image(rng)
    if rng.random() < 0.5:
        text = base64.b64encode(data).decode()
        text = rng.choice(
            [text, text[:-1], text[:-2] + "=", f"data:image/png;base64,{text}", text.replace("A", "-")]
        )
        return json.dumps({"image": text, "instructions": ["a"]}).encode(), _JSON
    return _part("image", data, 'filename="a.png"') + _part("instructions", b"a") + b"--b--\r\n", _form()


def _form(boundary: str = "b") -> str:
    return f"multipart/form-data; boundary={boundary}"


def _part(name: str, data: bytes, *more: str, headers: bytes = b"") -> bytes:
    disposition = "; ".join([f'form-data; name="{name}"', *more]).encode("utf-8", "replace")
    return b"--b\r\nContent-Disposition: " + disposition + b"\r\n" + headers + b"\r\n" + data + b"\r\n"


def _multipart(rng: random.Random) -> tuple[bytes, str]:
    """A form that is broken, or has too much of something."""
    image = _part("image", png(8, 8), 'filename="a.png"')
    words = _part("instructions", b"a")
    end = b"--b--\r\n"
    names = ["../../etc/passwd", "a\0b", "\u202egnp", "x" * 3000, '"; name="model', "", "CON"]
    charset = rng.choice(["utf-16", "idna", "zlib", "undefined", "nope", "utf-7"])
    number = rng.choice([b"nan", b"-1", b"1e999", b"", b"true"])
    named = _part("image", png(8, 8), f'filename="{rng.choice(names)}"')
    encoded = _part("image", b"a", headers=b"Content-Transfer-Encoding: base64\r\n")
    bodies = [
        image + words,
        (image + words)[: rng.randrange(len(image + words))],
        words * rng.choice([2, 200, 3000]) + image + end,
        image * rng.choice([2, 40, 400]) + words + end,
        named + words + end,
        _part(rng.choice(_FIELDS), rng.randbytes(50)) + image + words + end,
        _part("model", b"x" * 200_000) + image + words + end,
        b"--b\r\n" + b"X: y\r\n" * 5000 + b"\r\n\r\n" + image + end,
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        _part("instructions", rng.randbytes(30)) + image + end,
        _part("score_threshold", number) + image + words + end,
        encoded + words + end,
        rng.randbytes(rng.randrange(2000)),
    ]
    types = ["multipart/form-data", _form(""), _form("c"), _form("x" * 999), f"{_form()}; charset={charset}"]
    return rng.choice(bodies), _form() if rng.random() < 0.7 else rng.choice(types)


def _type(rng: random.Random) -> tuple[bytes, str]:
    """A content type that is not accepted, or does not fit."""
    kinds = [
        "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/mixed; boundary=b", "",
        "application/json; charset=utf-16", "a" * 3000, "\xff\xfe", "image/png",
        "application/json, multipart/form-data",
        "multipart/form-data; boundary=\"", "multipart/form-data; boundary*=utf-8''b",
    ]  # fmt: skip
    return rng.choice([b"", b"a=b", b"{}", rng.randbytes(100)]), rng.choice(kinds)


def _head(rng: random.Random, path: str) -> bytes:
    """A head that is no HTTP, or would mean two things to two programs."""
    body = b'{"image": "aGVsbG8=", "instructions": "a"}'
    start = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    heads: list[bytes] = [
        start + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
        start + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + body,
        start + b"Content-Length: -1\r\n\r\n" + body,
        start + b"Content-Length: +42\r\n\r\n" + body,
        start + b"Content-Length: 4 2\r\n\r\n" + body,
        start + b"Content-Length: 99999999999999999999999\r\n\r\n" + body,
        start + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + body,
        start + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body,
        start + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        start + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        start + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        start + b"Content-Encoding: gzip\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        start + b"Host: other.example\r\nContent-Length: 0\r\n\r\n",
        start + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        start + b"X: y\r\n" * 3000 + b"\r\n",
        start + b"X: a\r\n b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        start + b"X\0: a\r\n\r\n",
        start + b"X: a\nContent-Length: 0\r\n\r\n",
        start + b"Expect: 200-maybe\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        start
        + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n",
        start + b"Content-Length: 100\r\n\r\n" + body[:10],
        start[:-20],
        b"GET /health HTTP/0.9\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(50),
        b"GET http://169.254.169.254/ HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n",
        b"CONNECT other.example:443 HTTP/1.1\r\nHost: other.example\r\n\r\n",
        b"G\xffT / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        rng.randbytes(rng.randrange(1, 500)),
        b"\r\n" * 2000,
    ]
    places = [
        "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%00", "//v1//segment", "/v1/segment/", "/" + "a" * 8000,
        "/v1/models?" + "a=b&" * 2000, "/%ff%fe", "*", "/x-anylabeling/v1/models/..%2f..%2f/info", "/docs%0d%0aX:y",
        "/sam3/x?api_key=" + "k" * 3000,
    ]  # fmt: skip
    methods = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"]
    if rng.random() < 0.4:
        line = f"{rng.choice(methods)} {rng.choice([*places, path])} HTTP/1.1"
        return f"{line}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    return rng.choice(heads)


_KINDS: dict[str, Callable[[random.Random], tuple[bytes, str]]] = {
    "fields": _fields,
    "json": _json,
    "image": _image,
    "multipart": _multipart,
    "type": _type,
    "head": _type,
}
