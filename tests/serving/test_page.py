"""The routes of the page: its files, its facts, previews and downloads."""

from __future__ import annotations

import io
import json
import re
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from instructsam.exports.registry import FORMATS
from instructsam.inference.loading import load
from instructsam.serving.page_routes import FLOOR
from instructsam.serving.settings import ServeSettings
from instructsam.structures.masks import decode_rle, encode_rle
from tests.serving.clients import client
from tests.serving.fakes import FakeService
from tests.serving.pictures import png

KEY = "k" * 20
FOLDER = Path(str(files("instructsam").joinpath("serving/page")))


def kept(width: int = 80, height: int = 64, label: str = "mug") -> dict[str, Any]:
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[4:20, 8:30] = True
    return {"label": label, "score": 0.5, "mask": encode_rle(mask)}


def export(format: str, image: bytes | None = None, **fields: Any) -> Any:
    request = {"format": format, "name": "C:\\pictures\\mug.png", "instruction": "the mugs", **fields}
    content = {"image": image or png(), "request": json.dumps(request).encode()}
    return client().post("/app/export", files={name: (name, part) for name, part in content.items()})


def test_the_page_is_served_with_strict_headers_and_revalidated() -> None:
    with client() as http:
        page = http.get("/", headers={"Accept": "text/html"})
        assert page.url.path == "/app"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        again = http.get("/app", headers={"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["content-security-policy"] == policy  # browsers keep the newer one
        for path in FOLDER.iterdir():
            answer = http.get(f"/app/files/{path.name}")
            assert answer.content == path.read_bytes()
        assert http.get("/app/files/main.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("name", ["missing.js", "..%2f..%2fsettings.py", "%2e%2e", "main.js%00"])
def test_no_other_file_is_served(name: str) -> None:
    with client() as http:
        assert http.get(f"/app/files/{name}").status_code == 404
        assert http.get(f"/app/examples/{name}").status_code == 404


def test_the_page_loads_nothing_from_other_hosts_and_has_nothing_inline() -> None:
    for path in FOLDER.iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"(^|\s)//.*", "", text, flags=re.MULTILINE) or path.suffix != ".html"
        assert not re.search(r"https?://", text)
        assert "innerHTML" not in text
        assert "insertAdjacentHTML" not in text
    html = (FOLDER / "index.html").read_text("utf-8")
    assert not re.search(r"<style|\son\w+=|\sstyle=|<script(?![^>]*\ssrc=)", html)


def test_the_page_needs_no_key_and_everything_else_does(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o600)
    with client(settings=ServeSettings(api_key_file=path)) as http:
        for public in ("/app", "/app/files/main.js", "/app/ready"):
            assert http.get(public).status_code == 200
        for private in ("/app/facts", "/app/examples/meadow.png", "/v1/models"):
            assert http.get(private).status_code == 401
            assert http.get(private, headers={"X-API-Key": KEY}).status_code == 200
        assert http.post("/app/export").status_code == 401


def test_facts_name_every_format_and_why_one_cannot_be_downloaded() -> None:
    with client(FakeService(ready=False)) as http:
        facts = http.get("/app/facts").json()
        assert http.get("/app/ready").json() == {"ready": False}
    assert facts["floor"] == FLOOR
    found = {entry["name"]: entry["unavailable"] for entry in facts["formats"]}
    assert list(found) == list(FORMATS)
    assert found["coco"] == ""
    assert "prediction.export('supervision')" in found["supervision"]
    assert len(facts["examples"]) == 8


def test_a_download_of_one_file() -> None:
    answer = export("geojson", phrases=["mug", "plate"], instances=[kept()])
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-suffix"] == ".geojson"
    assert json.loads(unquote(answer.headers["x-notes"])) == []
    (feature,) = answer.json()["features"]
    assert feature["geometry"]["type"] in ("Polygon", "MultiPolygon")


def test_a_download_of_a_folder_is_an_archive_with_safe_names() -> None:
    answer = export("png", instances=[kept()])
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-suffix"] == ".zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert all(":" not in name and "\\" not in name and ".." not in name for name in names)


def test_every_format_that_is_offered_can_be_downloaded() -> None:
    with client() as http:
        formats = http.get("/app/facts").json()["formats"]
    for entry in formats:
        if not entry["unavailable"]:
            for instances in ([kept(), kept(label="</script>")], []):
                answer = export(entry["name"], instances=instances)
                assert answer.status_code == 200, (entry["name"], answer.text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "nothing"}, "the format must be one of coco"),
        ({"format": "supervision"}, "cannot be downloaded: in Python only"),
        ({"instances": [kept(81)]}, "masks must have the size (64, 80), got (64, 81)"),
        ({"instances": [{**kept(), "score": 2}]}, "score"),
        ({"instances": [{**kept(), "mask": {"size": [64, 80], "counts": "~~~"}}]}, "instances"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_wrong_downloads_are_refused(fields: dict[str, Any], message: str) -> None:
    answer = export(**{"format": "coco", **fields})
    assert 400 <= answer.status_code < 500
    assert message in answer.json()["error"]["message"]


def test_a_preview_of_a_file_that_browsers_cannot_show() -> None:
    content = io.BytesIO()
    Image.new("RGB", (3000, 40), "red").save(content, "TIFF")
    with client() as http:
        answer = http.post("/app/preview", files={"image": ("a.tif", content.getvalue())})
        broken = http.post("/app/preview", files={"image": ("a.jpg", b"not an image")})
    assert Image.open(io.BytesIO(answer.content)).size == (2048, 27)
    assert broken.status_code == 400
    assert broken.json()["error"]["code"] == "bad_image"


def test_filtering_by_score_equals_another_request() -> None:
    """The slider of the page filters an answer at `FLOOR`; the model would answer the same."""
    segmenter = load()
    image = str(files("instructsam").joinpath("assets/examples/traffic.png"))
    low = segmenter.segment(image, "buses or airplanes", score_threshold=FLOOR).instances
    for threshold in (0.15, 0.5):
        high = segmenter.segment(image, "buses or airplanes", score_threshold=threshold).instances
        filtered = low[low.scores >= np.float32(threshold)]
        assert len(low) > len(high) > 0
        assert np.array_equal(filtered.masks, high.masks)
        assert np.array_equal(filtered.scores, high.scores)


def test_masks_survive_the_way_to_the_page_and_back() -> None:
    answer = export("coco", instances=[kept(), kept(label="plate")])
    document = answer.json()
    rows = document["annotations"] if isinstance(document, dict) else document
    assert len(rows) == 2
    code = rows[0]["segmentation"]
    if isinstance(code, dict):
        assert decode_rle(code).sum() == 16 * 22
