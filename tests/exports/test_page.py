"""The examples of both pages about exports run with the shipped model, where their libraries are installed."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from tests.exports.geotiffs import write_geotiff

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "exports_tools.md").read_text(encoding="utf-8"), re.DOTALL
)


def test_every_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").symlink_to(ROOT / "src")
    write_geotiff(tmp_path / "field.tif", (64, 96), scale=(0.5, 0.5, 0), tiepoints=(0, 0, 0, 500_000, 5e6, 0))
    names: dict[str, Any] = {}
    ran = 0
    for block in BLOCKS:
        if "launch_app" not in block and all(
            map(_is_installed, re.findall(r"^(?:import|from) (\w+)", block, re.M))
        ):
            exec(block, names)
            ran += 1
    assert ran >= 4
    assert len(names["predictions"]) == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"fields.geojson", "tasks.xml", "set"}


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools with numpy 2
def test_every_example_of_the_other_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").symlink_to(ROOT / "src")
    text = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    assert len(names["masks"]) == 2
    assert (tmp_path / "out" / "dataset" / "data.yaml").is_file()


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
