"""The review page: the order of doubt, pages, escaping, thumbnails that are made again, and a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from instructsam.images.loader import load_image
from instructsam.inference.answer_log import Content, file_content
from instructsam.labelling import review
from instructsam.labelling.classes import LabelClass
from instructsam.labelling.doubt import Doubt
from instructsam.labelling.review import ReviewWriter
from instructsam.labelling.selection import Selection, select
from instructsam.labelling.summary import Summary
from instructsam.labelling.thumbnails import Thumbnails
from tests.labelling.fakes import FakeModel

EVIL = "<script>alert('x')</script>"
CLASSES = [LabelClass("half", "left"), LabelClass(EVIL, "nothing")]
LABELS = {entry.instruction: entry.name for entry in CLASSES}


def write_review(folder: Path, photos: Path, count: int) -> Path:
    """A review of `count` images; the doubt grows with their number, and each fourth has no target."""
    photos.mkdir(exist_ok=True)
    thumbnails = Thumbnails(folder / "review" / "thumbnails")
    summary = Summary.of(CLASSES, 0.3, 0.5)
    with ReviewWriter(folder, CLASSES, thumbnails) as writer:
        for number in range(count):
            path = photos / f"{number} a&b #1.png"
            if not path.exists():
                Image.new("RGB", (40, 20 + number % 7), (200, number % 250, 90)).save(path)
            image = load_image(path).image
            texts = ["nothing" if number % 4 == 0 else "left", "nothing"]
            answers = [FakeModel._answer(image, text, 1).to_dict() for text in texts]
            answers[0]["instruction"] = "left"
            selected = select(path.name, path, answers, LABELS, Selection())
            summary.add(selected)
            writer.add(selected, file_content(path), Doubt(number / count, (EVIL,) * (number == 1), 0))
        return writer.write(summary)


def test_pages_in_the_order_of_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "ITEMS_PER_PAGE", 10)
    page = write_review(tmp_path, tmp_path / "photos", 24)
    pages = [page, *sorted((tmp_path / "review").glob("page-*.html"))]
    assert len(pages) == 3
    names = [re.findall(r'class="name">(\d+) a&amp;b', path.read_text()) for path in pages]
    assert [len(found) for found in names] == [10, 10, 4]
    assert [int(name) for found in names for name in found] == [*range(23, -1, -1)]
    for path in pages:
        text = path.read_text()
        assert EVIL not in text
        assert "http" not in re.sub(r"http-equiv", "", text)
        for link in re.findall(r'(?:src|href)="([^"]+)"', text):
            target = path.parent / link.replace("%20", " ").replace("%26", "&").replace("%23", "#")
            assert target.exists(), link
    assert '<option value="0" data-pages="1 2 3">half' in pages[0].read_text()
    write_review(tmp_path, tmp_path / "photos", 9)
    assert not list((tmp_path / "review").glob("page-*.html"))
    assert len(list((tmp_path / "review" / "thumbnails").iterdir())) == 9


def test_an_empty_review(tmp_path: Path) -> None:
    assert "0 images" in write_review(tmp_path, tmp_path / "photos", 0).read_text()


def test_a_missing_thumbnail_is_made_again(tmp_path: Path) -> None:
    page = write_review(tmp_path, tmp_path / "photos", 2)
    before = {path.name: path.read_bytes() for path in (tmp_path / "review" / "thumbnails").iterdir()}
    for name in before:
        (tmp_path / "review" / "thumbnails" / name).unlink()
    text = page.read_text()
    assert write_review(tmp_path, tmp_path / "photos", 2).read_text() == text
    assert {p.name: p.read_bytes() for p in (tmp_path / "review" / "thumbnails").iterdir()} == before
    gone = Thumbnails(tmp_path / "review" / "thumbnails")
    assert gone.name_of(Content("sha256 00ff", 1, 1), tmp_path / "absent.png") is None


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_filter_in_a_browser(tmp_path: Path) -> None:
    page = write_review(tmp_path, tmp_path / "photos", 8)
    shown = {}
    for wanted in ("", "#show=0", "#show=none"):
        dumped = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri() + wanted],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        shown[wanted] = re.findall(r'<span id="shown" role="status">(\d+) shown', dumped)
        assert dumped.count('hidden=""') == 8 - int(shown[wanted][0])
    assert shown == {"": ["8"], "#show=0": ["6"], "#show=none": ["2"]}
