"""`instructsam app`: its settings, and the browser that it opens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from instructsam.cli import app, main


@pytest.mark.parametrize("options", [[], ["--no-browser"]])
def test_the_browser_opens_once_the_server_listens(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    seen: dict[str, Any] = {}
    done = threading.Event()

    def run(given: dict[str, Any], limits: object, text: str, listening: Callable[[str], None]) -> int:
        seen.update(given)
        listening("http://127.0.0.1:1")
        return 0

    def open_page(url: str) -> bool:
        opened.append(url)
        done.set()
        return True

    monkeypatch.setattr(app, "run", run)
    monkeypatch.setattr(app.webbrowser, "open", open_page)
    logger = logging.getLogger("instructsam")
    level = logger.level
    try:
        assert main.run(["app", "--model", "a=default", "--model", "b=default", *options]) == 0
    finally:
        logger.setLevel(level)
    assert done.wait(0.1 if options else 5) == (not options)
    assert opened == ([] if options else ["http://127.0.0.1:1/app"])
    assert seen["models"] == {"a": "default", "b": "default"}
    assert "host" not in seen  # loopback
