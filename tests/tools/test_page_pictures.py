"""`tools/page_pictures.py` draws both pictures of docs/app.md."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.serving.fakes import FakeService
from tests.serving.live import live_server

pytestmark = pytest.mark.browser


def test_the_pictures_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with live_server(FakeService()) as url:
        monkeypatch.setattr(sys, "argv", ["page_pictures.py", f"{url}/app", "--out", str(tmp_path)])
        runpy.run_path(str(Path(__file__).parents[2] / "tools" / "page_pictures.py"), run_name="__main__")
    for path in tmp_path.iterdir():
        with Image.open(path) as picture:
            picture.verify()
    assert {path.name for path in tmp_path.iterdir()} == {"app.jpg", "app_phone.jpg"}
