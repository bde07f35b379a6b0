"""Every example script runs as a user would run it."""

from __future__ import annotations

import subprocess
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
def test_script_runs(script: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / script), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in WRITES[script]:
        assert (tmp_path / name).stat().st_size > 0
        if name.endswith(".png"):
            Image.open(tmp_path / name).verify()
