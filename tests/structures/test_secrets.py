"""Keys are taken out of text wherever they stand."""

from __future__ import annotations

import logging

import pytest

from instructsam.structures.secrets import Secrets, redact_urls, safe_url

KEY = "hf_0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        f"https://me:{KEY}@host/v1",
        f"https://{KEY}@host/v1",
        f"'https://me:p@{KEY}@host/v1'",
        f"see http://host/v1?api_key={KEY} and more",
        f"'http://host/v1?a=1&access-token={KEY}'",
        f"http://host?sig={KEY}#x",
        f"https://host/v1?code={KEY}",
        f"Authorization: Bearer {KEY}",
        f"authorization=basic {KEY}=",
    ],
)
def test_keys_in_urls_and_headers(text: str) -> None:
    assert KEY not in redact_urls(text)
    assert "***" in redact_urls(text)


@pytest.mark.parametrize(
    "text", ["http://host:8000/v1?page=2", "me@example.org", "a key: b", "/data/a@b/c.json", ""]
)
def test_other_text_stays(text: str) -> None:
    assert redact_urls(text) == text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host:8000/v1", "http://host:8000/v1"),
        (f"https://me:{KEY}@host/v1?key={KEY}", "https://host/v1"),
        (f"https://me:{KEY}/x@host/v1#{KEY}", "https://host/v1"),
        (f"https://me:{KEY}?x@host/v1", "https://***"),
        (f"me:{KEY}@host", "host"),
        ("localhost:8000", "localhost:8000"),
    ],
)
def test_what_a_url_may_show(url: str, shown: str) -> None:
    assert safe_url(url) == shown


def test_known_secrets_in_every_spelling() -> None:
    secrets = Secrets(["a/b+c=d&e", None, "none", " "], "http://u:p%40ss-word@host?k=abc")
    hidden = secrets.redact("a/b+c=d&e a%2Fb%2Bc%3Dd%26e p%40ss-word p@ss-word abc abcdef none u")
    assert hidden == "*** *** *** *** *** abcdef none u"
    record = logging.LogRecord("x", 20, "f", 1, "got %s", ("p@ss-word",), None)
    assert secrets.filter(record)
    assert record.getMessage() == "got ***"
    assert Secrets([]).redact("plain") == "plain"
