"""Keys and passwords never reach a message, a log or a file: the one place that takes them out of text."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
NO_SECRETS = ("none", "null", "empty", "dummy", "not-needed")  # what people give to servers of their own
_SHORT = 6  # letters up to which a secret is only hidden as a word of its own
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
    """A URL as names and messages may show it: scheme, host and path; no user, password, query or fragment."""
    scheme, mark, rest = url.partition("://") if "://" in url else ("", "", url)
    shown, *hidden = re.split("[?#]", rest, maxsplit=1)
    if hidden and "@" in hidden[0]:  # a password may hold a "?": nothing tells where the host begins
        return f"{scheme}{mark}{HIDDEN}"
    return scheme + mark + shown.rpartition("@")[2]


class Secrets(logging.Filter):
    """The secrets of one service: `redact` hides them in text, and as a filter of a logger in its records."""

    def __init__(self, values: Iterable[str | None], url: str = "") -> None:
        """Keys that are known, and those inside the service's URL: its user, password and query values."""
        super().__init__()
        found = {value.strip() for value in values if value}
        try:
            parts = urlsplit(url)
            found.add(parts.password or parts.username or "")
            found |= {pair.partition("=")[2] for pair in re.split("[&;]", parts.query)}
        except ValueError:
            found.add(url)  # no part of it is known to be harmless
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
        """`text` with every secret as `***`."""
        text = redact_urls(text)
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Hides the secrets in a log record; keeps every record."""
        record.msg, record.args = self.redact(record.getMessage()), ()
        return True
