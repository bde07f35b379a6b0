"""The page docs/label.md: its first command and its example run, with the shipped model."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from instructsam.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "label.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first code block of a language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.slow
def test_the_first_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src").symlink_to(ROOT / "src")
    monkeypatch.chdir(tmp_path)
    assert run(shlex.split(block("bash"))[1:]) == 0
    coco = json.loads((tmp_path / "labels" / "coco.json").read_text())
    assert [entry["name"] for entry in coco["categories"]] == ["the mugs", "the red things"]
    assert len(coco["images"]) == 8
    assert len(coco["annotations"]) >= 12
    written = {path.name for path in (tmp_path / "labels").iterdir()}
    assert {"yolo", "review.html", "summary.json", "skipped.jsonl", "predictions.jsonl"} <= written


@pytest.mark.slow
def test_the_example(tmp_path: Path) -> None:
    (tmp_path / "src").symlink_to(ROOT / "src")
    done = subprocess.run(
        [sys.executable, "-c", block("python")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("breakfast.png ('mug', 'mug', 'mug'")
    assert len(re.findall(r"^\w+\.png ", done.stdout, flags=re.MULTILINE)) == 8
