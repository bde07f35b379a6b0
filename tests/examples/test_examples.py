"""Every example script runs and writes its files."""

from __future__ import annotations

import runpy
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from PIL import Image

from tests.serving.fakes import FakeService
from tests.serving.live import live_server

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
WRITES = {
    "quickstart.py": ["quickstart.png", "quickstart.json"],
    "client.py": ["client.png", "client.json"],
}


def test_every_script_is_covered() -> None:
    assert set(SCRIPTS) == set(WRITES)


@pytest.mark.parametrize("script", WRITES)
def test_script_runs(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with live_server(FakeService()) if script == "client.py" else nullcontext() as url:
        options = ["--url", url] if url else []
        monkeypatch.setattr(sys, "argv", [script, "--out", str(tmp_path), *options])
        runpy.run_path(str(ROOT / "examples" / script), run_name="__main__")
    for name in WRITES[script]:
        assert (tmp_path / name).stat().st_size > 0
        if name.endswith(".png"):
            Image.open(tmp_path / name).verify()
