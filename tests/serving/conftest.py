"""Fixtures of the tests of the page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from instructsam.serving.settings import Limits, ServeSettings
from tests.browser import Browser
from tests.serving.page_in_browser import SERVICE, open_page, serve


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    yield from serve(SERVICE, ServeSettings(limits=Limits(max_bytes=200_000)))


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def browser(window: Browser, url: str) -> Iterator[Browser]:
    """The page, just opened; nothing may have been reported on its console in the end."""
    open_page(window, url)
    SERVICE.error = None
    yield window
    assert window.problems == []


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "shelf.png"
    Image.new("RGB", (120, 80), "steelblue").save(path)
    return path
