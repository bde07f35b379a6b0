"""JSON logs on stderr, one object per line, and the id of the current request."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

_REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
_SANE = re.compile(r"[\w.:-]{1,64}", re.ASCII)


def current_request_id() -> str:
    """The id of the request that this task serves; empty outside of requests."""
    return _REQUEST_ID.get()


def begin_request(given: str) -> str:
    """Sets the id of this task's request: the given one if it is short and plain, else a new one."""
    request_id = given if _SANE.fullmatch(given) else secrets.token_hex(8)
    _REQUEST_ID.set(request_id)
    return request_id
