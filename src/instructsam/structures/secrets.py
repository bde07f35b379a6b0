"""Removal of keys and passwords from messages, logs and files."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
NO_SECRETS = (
    "none",
    "null",
    "empty",
    "dummy",
    "not-needed",
)  # usual placeholders for servers without authentication
_SHORT = 6  # letters; a secret this short is hidden only as a separate word
_USER = re.compile(r"(?<=://)[^/?#\s]*@")  # a password may hold an "@": up to the last one
_VALUE = re.compile(
    r"(?i)([?&;](?:[\w.-]*(?:key|token|secret|password|passwd|auth|credential|signature)|sig|pwd|code)=)[^&#\s\"'<>]+"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")


def redact_urls(text: str) -> str:
    """`text` without user names and passwords in URLs, keys in their queries, and authorization headers."""
    text = _USER.sub(f"{HIDDEN}@", text)
    text = _VALUE.sub(rf"\g<1>{HIDDEN}", text)
    return _BEARER.sub(rf"\g<1> {HIDDEN}", text)


def safe_url(url: str) -> str:
    """The scheme, host and path of a URL, safe to show; no user, password, query or fragment."""
    scheme, mark, rest = url.partition("://") if "://" in url else ("", "", url)
    shown, *hidden = re.split("[?#]", rest, maxsplit=1)
    if hidden and "@" in hidden[0]:  # a password may contain a "?": the start of the host is unknown
        return f"{scheme}{mark}{HIDDEN}"
    return scheme + mark + shown.rpartition("@")[2]


class Secrets(logging.Filter):
    """The secrets of one service: `redact` hides them in text; as a logging filter it hides them in records."""

    def __init__(self, values: Iterable[str | None], url: str = "") -> None:
        """Take known keys, and those in the URL of the service: user, password and query values."""
        super().__init__()
        found = {value.strip() for value in values if value}
        try:
            parts = urlsplit(url)
            found.add(parts.password or parts.username or "")
            found |= {pair.partition("=")[2] for pair in re.split("[&;]", parts.query)}
        except ValueError:
            found.add(url)  # malformed: hide all of it
        spelled = {
            form for value in found for form in (value, unquote(value), quote(value, ""), quote_plus(value))
        }
        kept = [value for value in spelled if len(value) > 1 and value.lower() not in NO_SECRETS]
        patterns = [
            re.escape(value) if len(value) > _SHORT else rf"(?<!\w){re.escape(value)}(?!\w)"
            for value in sorted(kept, key=len, reverse=True)
        ]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def redact(self, text: str) -> str:
        """`text` with every secret replaced by `***`."""
        text = redact_urls(text)
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide the secrets in a log record; every record is kept."""
        record.msg, record.args = self.redact(record.getMessage()), ()
        return True
