"""The files of the page, held in memory: no request opens a path."""

from __future__ import annotations

import mimetypes
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

from instructsam.serving.errors import UnknownFileError

_HEADERS = {"Cache-Control": "no-cache"}
"""Checked by ETag at every load: a newer release never meets old modules. The server adds its security headers."""

_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_TYPES |= {".html": "text/html; charset=utf-8", ".svg": "image/svg+xml"}


class StaticFiles:
    """Files by name, each with its ETag."""

    def __init__(self, folder: Traversable) -> None:
        self._files = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
        self._tags = {name: f'"{sha256(content).hexdigest()[:20]}"' for name, content in self._files.items()}

    def content(self, name: str) -> bytes:
        """Of a file that is there."""
        return self._files[name]

    def answer(self, name: str, request: Request) -> Response:
        """A file, or status 304 when the client has it.

        Raises:
            UnknownFileError: there is none of this name.
        """
        if name not in self._files:
            raise UnknownFileError(f"there is no file {name!r:.80} here")
        headers = {**_HEADERS, "ETag": self._tags[name]}
        if request.headers.get("if-none-match") == self._tags[name]:
            # With its type: browsers replace the headers of their copy, and those of a page differ from other ones.
            return Response(status_code=304, headers=headers, media_type=_media_type(name))
        return Response(self._files[name], headers=headers, media_type=_media_type(name))


def page_files() -> StaticFiles:
    """The HTML, CSS and JavaScript of the page."""
    return StaticFiles(files("instructsam").joinpath("serving/page"))


def example_files() -> StaticFiles:
    """The shipped images."""
    return StaticFiles(files("instructsam").joinpath("assets/examples"))


def _media_type(name: str) -> str:
    suffix = f".{name.rpartition('.')[2]}"
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
