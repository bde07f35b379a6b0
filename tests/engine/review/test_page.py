"""The review pages as files: what they hold, their policy, how they are cut."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.data.record import InstanceRecord
from instructsam.engine.review.page import write_pages
from instructsam.engine.review.pictures import MAX_BYTES, draw_row
from instructsam.engine.review.queue import review_queue
from instructsam.engine.rows import ImageRow
from instructsam.engine.stages.pictures import RowPictures
from instructsam.errors import ImageError, MissingExtraError
from tests.engine.review.rows import SquareImages, make_decision, make_row, outcome

PICTURES = RowPictures(SquareImages(), max_side=2048)
HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
    ' "quoted" & \u2028\u2029\u202e'
)


def _queue(names: str, each: int = 2):
    rows = [make_row(name) for name in names]
    return review_queue(outcome(row, *[make_decision(row, number) for number in range(each)]) for row in rows)


def _data(page: Path) -> dict:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text())
    assert found is not None
    return json.loads(found[1])


def test_a_page_holds_everything_and_allows_its_own_script_alone(tmp_path: Path) -> None:
    report = write_pages(_queue("ab"), PICTURES, tmp_path / "review.html", "run")
    assert report.files == [tmp_path / "review.html"]
    assert (report.items, report.left_out) == (4, {})
    assert list(tmp_path.iterdir()) == report.files
    text = report.files[0].read_text()
    policy = unescape(re.search(r'Policy" content="([^"]*)"', text)[1])
    scripts, styles = (
        re.findall(r"<script>(.*?)</script>", text, re.S),
        re.findall(r"<style>(.*?)</style>", text, re.S),
    )
    for kind, (content,) in (("script", scripts), ("style", styles)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    data = _data(report.files[0])
    assert [item["id"] for item in data["items"]] == ["row-a#0", "row-a#1", "row-b#0", "row-b#1"]
    assert [item["image"] for item in data["items"]] == [0, 0, 1, 1]
    for name in ("marked", "clean", "tiles"):
        jpeg = base64.b64decode(data["images"][0][name].removeprefix("data:image/jpeg;base64,"))
        Image.open(io.BytesIO(jpeg)).load()
    write_pages(_queue("ab"), PICTURES, tmp_path / "again.html", "run")
    assert (tmp_path / "again.html").read_text() == text


def test_hostile_texts_are_data(tmp_path: Path) -> None:
    row = make_row()
    row = replace(
        row,
        image=replace(row.image, file='x"><script>alert(1)</script>.jpg'),
        instances=tuple(replace(thing, category=HOSTILE) for thing in row.instances),
    )
    items = review_queue([outcome(row, make_decision(row, instruction=HOSTILE, phrases=((HOSTILE, (1,)),)))])
    write_pages(items, PICTURES, tmp_path / "review.html", "<b>run</b>")
    text = (tmp_path / "review.html").read_text()
    assert text.count("<script") == 2
    assert text.count("</script>") == 2
    assert "\u2028" not in text
    assert "<b>run" not in text
    data = _data(tmp_path / "review.html")
    assert data["items"][0]["instruction"] == HOSTILE
    assert data["images"][0]["objects"][0]["category"] == HOSTILE


def test_a_long_queue_has_an_index_and_never_splits_an_image(tmp_path: Path) -> None:
    report = write_pages(_queue("abcde", each=3), PICTURES, tmp_path / "my review.html", "run", per_page=7)
    names = ["my review.html", "my review-0001.html", "my review-0002.html", "my review-0003.html"]
    assert [path.name for path in report.files] == names
    assert [len(_data(path)["items"]) for path in report.files[1:]] == [6, 6, 3]
    index = report.files[0].read_text()
    assert re.findall(r'<a href="([^"]*)"', index) == [name.replace(" ", "%20") for name in names[1:]]
    assert _data(report.files[2])["links"] == {
        "index": "my%20review.html",
        "previous": "my%20review-0001.html",
        "next": "my%20review-0003.html",
    }


def test_pictures_beside_the_page(tmp_path: Path) -> None:
    report = write_pages(_queue("a"), PICTURES, tmp_path / "review.html", "run", embed=False)
    image = _data(report.files[0])["images"][0]
    for name in ("marked", "clean", "tiles"):
        assert (tmp_path / image[name]).stat().st_size > 100
    assert "base64," not in report.files[0].read_text()


def test_an_empty_queue_is_a_page_too(tmp_path: Path) -> None:
    report = write_pages([], PICTURES, tmp_path / "review.html", "run")
    assert report.items == 0
    assert _data(report.files[0])["items"] == []


def test_images_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    class Broken(SquareImages):
        def load(self, row: ImageRow) -> Image.Image:
            if row.id == "row-b":
                raise ImageError("images/b.jpg is damaged")
            return super().load(row)

    done: list[int] = []
    report = write_pages(
        _queue("abc"), RowPictures(Broken()), tmp_path / "review.html", "run", progress=done.append
    )
    assert report.left_out == {"images/b.jpg is damaged": 2}
    assert (report.items, done) == (4, [2, 2, 2])


def test_the_grid_of_cells_and_the_crops_follow_the_objects() -> None:
    row = make_row(count=7)
    box = InstanceRecord(box_xywh=(60.0, 40.0, 12.0, 12.0), category="plate")
    drawn = draw_row(replace(row, instances=(*row.instances[:6], box)), PICTURES)
    assert drawn.grid == (128, 96)
    cells = np.zeros(128 * 96, dtype=np.bool_)
    at = 0
    for turn, length in enumerate(drawn.objects[2].runs):
        cells[at : at + length] = turn % 2
        at += length
    assert at == cells.size
    rows, columns = np.nonzero(cells.reshape(96, 128))
    assert abs(columns.mean() / 128 * 80 - 37) < 1
    assert abs(rows.mean() / 96 * 60 - 10) < 1
    sheet = np.asarray(Image.open(io.BytesIO(drawn.tiles)))
    assert sheet.shape == (144, 7 * 144, 3)
    middles = sheet[72, 72::144].astype(int)
    assert abs(middles[0] - (230, 159, 0)).max() < 25  # the object keeps its colour
    assert np.ptp(sheet[8, 72].astype(int)) < 12  # its surroundings are grey
    assert drawn.objects[6].category == "plate"


def test_pictures_are_bounded() -> None:
    class Noise(SquareImages):
        def load(self, row: ImageRow) -> Image.Image:
            noise = np.random.default_rng(0).integers(0, 256, (row.image.height, row.image.width, 3))
            return Image.fromarray(noise.astype(np.uint8))

    row = make_row(count=1)
    row = replace(
        row,
        image=replace(row.image, height=1500, width=2000),
        instances=(InstanceRecord(box_xywh=(10.0, 10.0, 900.0, 900.0)),),
    )
    drawn = draw_row(row, RowPictures(Noise(), max_side=2048))
    assert max(len(drawn.clean), len(drawn.marked)) <= MAX_BYTES
    assert max(Image.open(io.BytesIO(drawn.clean)).size) <= 960


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'instructsam\[engine\]'"):
        write_pages([], PICTURES, tmp_path / "review.html", "run")
