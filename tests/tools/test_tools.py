"""Every script in tools/ runs, in this process; what it writes is checked."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from instructsam.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "src" / "instructsam" / "assets" / "examples"
Script = Callable[..., None]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Runs a script of tools/ by name with its arguments."""

    def call(name: str, *arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")

    return call


def test_every_script_is_covered() -> None:
    """By a test, or by a target of the Makefile that continuous integration runs."""
    sources = [*(ROOT / "tests").rglob("*.py"), ROOT / "Makefile"]
    used = "".join(path.read_text("utf-8") for path in sources)
    unused = [path.name for path in (ROOT / "tools").glob("*.py") if path.name not in used]
    assert not unused


def test_gallery_writes_an_image_per_scene(script: Script, tmp_path: Path) -> None:
    script("gallery.py", "--out", tmp_path, "--scenes", "meadow.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["meadow.png", "sheet.jpg"]
    Image.open(tmp_path / "meadow.png").verify()


def test_the_review_page_of_drawn_scenes(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    script("review_page.py", "--out", tmp_path, "--count", 2, "--scenes", 4)
    assert [path.name for path in tmp_path.iterdir()] == ["review.html"]
    assert (tmp_path / "review.html").read_text("utf-8").count("data:image/jpeg;base64,") == 6


def test_every_package_is_drawn_in_its_layer() -> None:
    module = runpy.run_path(str(ROOT / "tools" / "draw_layers.py"))
    names = {name for row in module["layers"]() for name in row}
    packages = {path.parent.name for path in (ROOT / "src" / "instructsam").glob("*/__init__.py")}
    assert packages <= names <= set(module["PURPOSE"])
    assert module["draw"]().height > 500


def test_shipped_scenes_are_what_the_script_draws(script: Script, tmp_path: Path) -> None:
    script("make_scenes.py", "--out", tmp_path)
    texts = json.loads((tmp_path / "instructions.json").read_text("utf-8"))
    assert json.loads((SHIPPED / "instructions.json").read_text("utf-8")) == texts
    assert len(texts) >= 6
    assert all(len(instructions) >= 4 for instructions in texts.values())
    for name in texts:
        assert Image.open(SHIPPED / name).tobytes() == Image.open(tmp_path / name).tobytes()


def test_card_pictures_show_a_run_and_its_training(script: Script, tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log.jsonl"
    assert run(["evaluate", "--benchmark", "world/val", "--limit", "5", "--out", str(tmp_path / "run")]) == 0
    rows = [{"seconds": 60.0 * n, "parts": {"mask_dice": 1 / n, "text": 2 / n}} for n in (1, 2, 3)]
    log.write_text("\n".join(json.dumps(row) for row in rows))
    script("card_pictures.py", "--run", tmp_path / "run", "--logs", log, log, "--out", out)
    with Image.open(out / "good.jpg") as good, Image.open(out / "bad.jpg") as bad:
        assert good.width == bad.width
    svg = (out / "curve.svg").read_text("utf-8")
    assert svg.count("<polyline") == 4
    assert "6 minutes" in svg
