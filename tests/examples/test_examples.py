"""Every example script runs and writes its files."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
WRITES = {"quickstart.py": ["quickstart.png", "quickstart.json"]}


def test_every_script_is_covered() -> None:
    assert set(SCRIPTS) == set(WRITES)


@pytest.mark.parametrize("script", WRITES)
def test_script_runs(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [script, "--out", str(tmp_path)])
    runpy.run_path(str(ROOT / "examples" / script), run_name="__main__")
    for name in WRITES[script]:
        assert (tmp_path / name).stat().st_size > 0
        if name.endswith(".png"):
            Image.open(tmp_path / name).verify()
