"""JSON logs on stderr, one object per line, and the id of the current request."""

from __future__ import annotations

import json
import logging
import re
import secrets
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Any

from instructsam.structures.secrets import redact_urls

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


class JsonLines(logging.Formatter):
    """A log record as one JSON object: time, level, event, request id, facts; and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": redact_urls(record.getMessage()),
        }
        if request_id := current_request_id():
            line["request_id"] = request_id
        line.update(getattr(record, "facts", {}))
        if record.exc_info:
            line["traceback"] = redact_urls(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=True)


def log_to_stderr() -> None:
    """Send the log of the server, and warnings of all libraries, to stderr as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    logging.getLogger("instructsam").setLevel(logging.INFO)
    for name in ("python_multipart", "tifffile"):  # they log broken input, with parts of it
        logging.getLogger(name).setLevel(logging.CRITICAL)
