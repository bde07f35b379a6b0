"""Any name that a file can have, from the folder to every format and the review page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from instructsam.exports.registry import FORMATS
from tests.labelling.fakes import make_images

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    b"bad\xff.png",
    b"x" * 251 + b".png",
    b"new\nline.png",
    b"<img src=x onerror=alert(1)>.png",
    "\u202e\u05e9 caf\u00e9.png".encode(),
    b"same.png",
    b"SAME.png",
    b"same.jpg",
    b"-dash #1?%41.png",
)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system of bytes")
def test_every_file_name_is_labelled_in_every_format(tmp_path: Path) -> None:
    if find_spec("datasets") is None:
        pytest.skip("needs datasets")
    (source,) = make_images(tmp_path / "source", 1)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, name in enumerate(NAMES):
        data = source.read_bytes() + bytes([number])
        Path(os.fsdecode(os.path.join(os.fsencode(photos), name))).write_bytes(data)
    formats = [entry.name for entry in FORMATS.values() if entry.writes != "nothing"]
    assert len(formats) > 7
    words = ["label", "photos", "-i", "left", "--out", "out", "--format", ",".join(formats), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.labelling.scripted_command", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["images"] == document["instances"] == len(NAMES)
    assert any("coco.json: images have another name than their file" in note for note in document["notes"])
    page = (tmp_path / "out" / "review.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    rows = json.loads((tmp_path / "out" / "coco.json").read_text())["images"]
    assert len({row["file_name"].casefold() for row in rows}) == len(NAMES)
    assert "same.jpg" in {row["file_name"] for row in rows}
