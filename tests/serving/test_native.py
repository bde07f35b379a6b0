"""`/v1/segment`, `/v1/segment/batch`, `/v1/models`: bodies, answers, statuses."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.serving.answer_models import BatchAnswer, SegmentAnswer
from instructsam.serving.errors import BusyError, TimeLimitError
from instructsam.serving.settings import Limits, ServeSettings
from instructsam.structures.masks import decode_rle
from tests.serving.clients import client
from tests.serving.fakes import FakeService
from tests.serving.pictures import base64_png, png

TEXT_AS_IMAGE = b'--a\r\nContent-Disposition: form-data; name="image"\r\n\r\nx\r\n--a--\r\n'
INSTRUCTIONS = ["the red mugs", "nothing"]


def body(**changes: Any) -> dict[str, Any]:
    return {"image": base64_png(), "instructions": INSTRUCTIONS, **changes}


def test_json_gives_one_prediction_per_instruction() -> None:
    answer = client().post("/v1/segment", json=body())
    assert answer.status_code == 200, answer.text
    found = SegmentAnswer.model_validate_json(answer.content)
    assert [prediction.status for prediction in found.predictions] == ["ok", "no_target"]
    assert found.request_id == answer.headers["x-request-id"]
    mask = decode_rle(answer.json()["predictions"][0]["instances"][0]["mask"])
    assert mask.shape == (64, 80)
    assert mask[:, :40].sum() == 64 * 40 - 1


def test_a_form_gives_the_same_answer() -> None:
    fields = {"instructions": INSTRUCTIONS, "score_threshold": "0.5", "masks": "png"}
    answer = client().post("/v1/segment", data=fields, files={"image": ("../../etc/passwd", png())})
    assert answer.status_code == 200, answer.text
    uri = answer.json()["predictions"][0]["instances"][0]["mask"]
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
    assert mask.sum() == 64 * 40 - 1


def test_polygons_keep_holes() -> None:
    answer = client().post("/v1/segment", json=body(masks="polygon", tolerance=0)).json()
    (polygon,) = answer["predictions"][0]["instances"][0]["mask"]
    outer, hole = polygon
    assert sorted(outer) == [[0, 0], [0, 64], [40, 0], [40, 64]]
    assert len(hole) == 4


def test_options_reach_the_service() -> None:
    service = FakeService(models=("small", "large"))
    sent = body(
        instructions="one", phrases=["mug", "plate"], score_threshold=0.25, mode="direct", model="large"
    )
    answer = client(service).post("/v1/segment", json=sent)
    assert answer.status_code == 200, answer.text
    (job, model), *_ = service.jobs
    assert (job.instructions, job.phrases, job.mode, model) == (("one",), ("mug", "plate"), "direct", "large")
    assert job.score_threshold == 0.25
    assert len(job.key) == 64
    assert answer.json()["predictions"][0]["instances"][1]["phrase"] == "plate"


def test_an_overlay_is_a_png() -> None:
    answer = client().post("/v1/segment", json=body(overlay=True)).json()
    uri = answer["predictions"][0]["overlay"]
    assert Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).width >= 80


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"colour": "red"}, 422, "unknown field colour"),
        ({"instructions": 3}, 422, "instructions"),
        ({"instructions": []}, 400, "say what to segment"),
        ({"instructions": [" "]}, 400, "instructions[0] is empty"),
        ({"instructions": ["a"] * 65}, 413, "at most 64"),
        ({"instructions": ["a" * 4001]}, 413, "4000"),
        ({"phrases": []}, 400, "at least one phrase"),
        ({"phrases": ["a"]}, 400, "at most one instruction"),
        ({"score_threshold": 1.5}, 422, "score_threshold must lie in [0, 1], got 1.5"),
        ({"mode": "fast"}, 422, "mode must be one of 'auto'"),
        ({"masks": "svg"}, 422, "masks must be one of 'rle'"),
        ({"model": "huge"}, 404, "model must be one of default"),
        ({"image": "%%%"}, 400, "not valid base64"),
        ({"image": "aGVsbG8="}, 400, "this is not an image"),
        ({"image": "data:image/png,abc"}, 400, "data URI"),
        ({"image": "http://169.254.169.254/"}, 400, "is not allowed"),
        ({"image": ""}, 400, "image is empty"),
    ],
)
def test_bad_fields(changes: dict[str, Any], status: int, words: str) -> None:
    answer = client().post("/v1/segment", json=body(**changes))
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert words in error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"image": "\\ud800"}', "application/json", 400),
        (b'{"image": "aa", "score_threshold": NaN}', "application/json", 422),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b"", "application/json", 400),
        (b"x", "text/plain", 415),
        (b"x", "", 415),
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=a", 400),
        (TEXT_AS_IMAGE, "multipart/form-data; boundary=a", 422),
    ],
)
def test_bad_bodies(content: bytes, kind: str, status: int) -> None:
    answer = client().post("/v1/segment", content=content, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"instructions": "a", "size": "3"}, "unknown field size"),
        ({"instructions": "a", "mode": ["auto", "direct"]}, "mode' must be sent once"),
        ({"instructions": "a", "score_threshold": "high"}, "score_threshold must be"),
    ],
)
def test_bad_forms(data: dict[str, Any], words: str) -> None:
    answer = client().post("/v1/segment", data=data, files={"image": png()})
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]


def test_pixels_are_limited_before_they_are_decoded() -> None:
    settings = ServeSettings(limits=Limits(max_pixels=1000))
    answer = client(settings=settings).post("/v1/segment", json=body())
    assert answer.status_code == 413
    assert "80 x 64 px" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("error", "status"), [(BusyError("full", 7), 503), (TimeLimitError("late"), 504), (KeyError("bug"), 500)]
)
def test_failures_of_the_service(error: Exception, status: int) -> None:
    answer = client(FakeService(error=error)).post("/v1/segment", json=body())
    assert answer.status_code == status
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    assert answer.headers.get("retry-after") == ("7" if status == 503 else None)
    assert "bug" not in answer.text


def test_a_batch_reports_errors_per_image() -> None:
    sent = {"requests": [body(), body(image="aGVsbG8="), body(instructions="last")]}
    answer = client().post("/v1/segment/batch", json=sent)
    assert answer.status_code == 200, answer.text
    BatchAnswer.model_validate_json(answer.content)
    first, second, third = answer.json()["results"]
    assert len(first["predictions"]) == 2
    assert second["error"]["status"] == 400
    assert "requests[1].image" in second["error"]["message"]
    assert third["predictions"][0]["instruction"] == "last"


def test_a_batch_of_files_shares_its_options() -> None:
    files = [("image", png(seed=seed)) for seed in range(3)]
    answer = client().post("/v1/segment/batch", data={"instructions": "mugs"}, files=files)
    assert [len(result["predictions"]) for result in answer.json()["results"]] == [1, 1, 1]


def test_a_batch_is_limited() -> None:
    settings = ServeSettings(limits=Limits(max_images=1))
    answer = client(settings=settings).post("/v1/segment/batch", json={"requests": [body(), body()]})
    assert answer.status_code == 413


def test_models_are_listed_while_they_load() -> None:
    answer = client(FakeService(ready=False, models=("a", "b"))).get("/v1/models").json()
    assert [model["name"] for model in answer["models"]] == ["a", "b"]
