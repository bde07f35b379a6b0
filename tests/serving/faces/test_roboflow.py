"""Roboflow's route for concepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from instructsam.serving.faces.roboflow import PATH
from instructsam.serving.settings import ServeSettings
from instructsam.structures.masks import decode_rle
from tests.serving.clients import client
from tests.serving.fakes import FakeService
from tests.serving.pictures import base64_png

KEY = "a-key-of-sixteen-letters"


def segment(service: FakeService | None = None, settings: ServeSettings | None = None, **changes: Any) -> Any:
    image = {"type": "base64", "value": base64_png()}
    prompts = [{"type": "text", "text": "mug"}, {"type": "text", "text": "nothing"}]
    body = {"model_id": "sam3/sam3_final", "image": image, "prompts": prompts, **changes}
    return client(service, settings).post(PATH, json=body)


def test_each_prompt_has_its_predictions() -> None:
    service = FakeService()
    answer = segment(service, format="rle")
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["prompt_results"]
    (found,) = first["predictions"]
    assert decode_rle(found["masks"]).sum() == 64 * 40 - 1
    assert (found["confidence"], found["format"]) == (pytest.approx(0.9), "rle")
    assert first["echo"] == {"prompt_index": 0, "type": "text", "text": "mug", "num_boxes": 0}
    assert second["predictions"] == []
    assert service.jobs[0][0].instructions == ("mug", "nothing")


def test_polygons_are_rings_of_points() -> None:
    (found,) = segment().json()["prompt_results"][0]["predictions"]
    (ring,) = found["masks"]
    assert min(x for x, _ in ring) == 0
    assert max(x for x, _ in ring) == 40


def test_thresholds_are_those_of_the_request_and_of_each_prompt() -> None:
    service = FakeService()
    prompts = [{"text": "mug", "output_prob_thresh": 0.95}, {"text": "plate"}]
    answer = segment(service, prompts=prompts, output_prob_thresh=0.25)
    assert service.jobs[0][0].score_threshold == 0.25
    assert [len(result["predictions"]) for result in answer.json()["prompt_results"]] == [0, 1]


def test_overlaps_of_prompts_are_suppressed_on_request() -> None:
    prompts = [{"text": "mug"}, {"text": "cup"}]  # the fake answers both with one mask
    both, one = segment(prompts=prompts), segment(prompts=prompts, nms_iou_threshold=0.5)
    assert [len(result["predictions"]) for result in both.json()["prompt_results"]] == [1, 1]
    assert [len(result["predictions"]) for result in one.json()["prompt_results"]] == [1, 0]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"prompts": []}, 422),
        ({"prompts": [{"text": "mug"}] * 17}, 413),
        ({"prompts": [{"type": "visual", "boxes": [{"x": 1}]}]}, 422),
        ({"prompts": [{"type": "text"}]}, 422),
        ({"prompts": [{"text": ""}]}, 400),
        ({"image": {"type": "url", "value": "http://169.254.169.254/"}}, 400),
        ({"image": {"type": "url", "value": "file:///etc/passwd"}}, 400),
        ({"format": "json"}, 422),
        ({"nms_iou_threshold": -1}, 422),
    ],
)
def test_faults_have_a_message(changes: dict[str, Any], status: int) -> None:
    answer = segment(**changes)
    assert answer.status_code == status, answer.text
    assert answer.json()["message"]


def test_the_key_may_stand_in_the_body_or_in_the_address(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    settings = ServeSettings(api_key_file=file)
    assert segment(settings=settings).status_code == 401
    assert segment(settings=settings, api_key=KEY).status_code == 200
    body = {"image": {"value": base64_png()}, "prompts": [{"text": "mug"}]}
    assert client(settings=settings).post(f"{PATH}?api_key={KEY}", json=body).status_code == 200
