"""Error answers: one JSON shape for every route, or the shape of a face's own protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

from starlette.responses import JSONResponse

from instructsam.errors import ImageError, InputError, InstructSAMError
from instructsam.serving.logs import current_request_id
from instructsam.structures.safe_text import one_line

LONGEST_MESSAGE = 600  # characters


@dataclass(frozen=True)
class Failure:
    """An error, ready to be sent.

    Attributes:
        status: of HTTP.
        code: a stable word for programs, such as "too_large".
        message: one line for people.
        request_id: as in the header and the log.
        headers: of the answer.
    """

    status: int
    code: str
    message: str
    request_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


Shape: TypeAlias = Callable[[Failure], Any]
"""The JSON body of an error."""

_CODES = {
    400: "bad_request",
    401: "key_required",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "slow_client",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_fields",
    500: "internal_error",
    503: "busy",
    504: "time_limit",
}


def describe_failure(error: Exception) -> Failure:
    """The failure of an exception; any that this package does not raise on purpose is an internal error."""
    if not isinstance(error, InstructSAMError):
        return failure(500, "the server failed to answer this request: its log has the cause")
    status = getattr(error, "status", 400 if isinstance(error, InputError) else 500)
    headers: dict[str, str] = {}
    if status == 503:
        headers["Retry-After"] = str(getattr(error, "retry_after", 1))
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="instructsam", charset="UTF-8"'
    return failure(status, str(error), "bad_image" if isinstance(error, ImageError) else "", headers)


def failure(status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> Failure:
    """A failure with the code of its status and the id of the current request."""
    name = code or _CODES.get(status) or HTTPStatus(status).phrase.lower().replace(" ", "_")
    return Failure(status, name, one_line(message, LONGEST_MESSAGE), current_request_id(), headers or {})


def error_body(found: Failure) -> dict[str, Any]:
    """The shape of our own routes: `{"error": {"code", "message", "request_id"}}`."""
    return {"error": {"code": found.code, "message": found.message, "request_id": found.request_id}}


class Shapes:
    """The shapes of error bodies by path; our own where no face has registered one."""

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}

    def add(self, path: str, shape: Shape) -> None:
        """Use a shape for a path, and for every path below it."""
        self._shapes[path.rstrip("/")] = shape

    def of(self, path: str) -> Shape:
        """The shape of a path."""
        while path:
            if path in self._shapes:
                return self._shapes[path]
            path = path.rpartition("/")[0]
        return error_body

    def response(self, path: str, found: Failure) -> JSONResponse:
        """The answer to a request that failed."""
        return JSONResponse(self.of(path)(found), found.status, dict(found.headers))
