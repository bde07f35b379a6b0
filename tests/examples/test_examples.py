"""Every example script runs as a user would run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
WRITES = {
    "quickstart.py": ["quickstart.png", "quickstart.json"],
    "gallery.py": ["breakfast.png", "meadow.png"],
    "make_scenes.py": ["breakfast.png", "instructions.json"],
}


def test_every_script_is_covered() -> None:
    assert set(SCRIPTS) == {*WRITES, "card_pictures.py"}


@pytest.mark.parametrize("script", WRITES)
def test_script_runs(script: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / script), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in WRITES[script]:
        assert (tmp_path / name).stat().st_size > 0
        if name.endswith(".png"):
            Image.open(tmp_path / name).verify()


def test_shipped_scenes_are_what_the_script_draws(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "make_scenes.py"), "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    shipped = ROOT / "src" / "instructsam" / "assets" / "examples"
    texts = json.loads((tmp_path / "instructions.json").read_text("utf-8"))
    assert json.loads((shipped / "instructions.json").read_text("utf-8")) == texts
    assert len(texts) >= 6
    assert all(len(instructions) >= 4 for instructions in texts.values())
    for name in texts:
        assert Image.open(shipped / name).tobytes() == Image.open(tmp_path / name).tobytes()


def test_card_pictures_show_a_run_and_its_training(tmp_path: Path) -> None:
    run, out, log = tmp_path / "run", tmp_path / "out", tmp_path / "log.jsonl"
    asked = ["--benchmark", "world/val", "--limit", "5", "--out", str(run)]
    command = [sys.executable, "-m", "instructsam", "evaluate", *asked]
    subprocess.run(command, check=True, capture_output=True)
    rows = [{"seconds": 60.0 * n, "parts": {"mask_dice": 1 / n, "text": 2 / n}} for n in (1, 2, 3)]
    log.write_text("\n".join(json.dumps(row) for row in rows))
    script = str(ROOT / "examples" / "card_pictures.py")
    command = [sys.executable, script, "--run", str(run), "--logs", str(log), str(log), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    with Image.open(out / "good.jpg") as good, Image.open(out / "bad.jpg") as bad:
        assert good.width == bad.width
    svg = (out / "curve.svg").read_text("utf-8")
    assert svg.count("<polyline") == 4
    assert "6 minutes" in svg
