"""Roboflow's route `/sam3/concept_segment`."""

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

TEXTS = [{"type": "text", "text": "the red mugs"}, {"type": "text", "text": "nothing"}]


def body(**changes: Any) -> dict[str, Any]:
    image = {"type": "base64", "value": base64_png()}
    return {"image": image, "prompts": TEXTS, "model_id": "sam3/sam3_final", **changes}


def test_each_prompt_has_its_predictions() -> None:
    service = FakeService()
    answer = client(service).post(PATH, json=body(output_prob_thresh=0.25))
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["prompt_results"]
    assert (first["prompt_index"], first["echo"]["text"]) == (0, "the red mugs")
    assert first["predictions"][0]["confidence"] == pytest.approx(0.9)
    (ring,) = first["predictions"][0]["masks"]
    assert max(x for x, _ in ring) == 40
    assert second["predictions"] == []
    assert service.jobs[0][0].score_threshold == 0.25


def test_masks_are_run_lengths_on_request() -> None:
    answer = client().post(PATH, json=body(format="rle")).json()
    (found,) = answer["prompt_results"][0]["predictions"]
    assert found["format"] == "rle"
    assert decode_rle(found["masks"]).sum() == 64 * 40 - 1


def test_a_prompt_may_have_a_threshold_of_its_own() -> None:
    prompts = [{**TEXTS[0], "output_prob_thresh": 0.95}, {"type": "text", "text": "mug"}]
    results = client().post(PATH, json=body(prompts=prompts)).json()["prompt_results"]
    assert [len(result["predictions"]) for result in results] == [0, 1]


def test_suppression_runs_across_prompts() -> None:
    prompts = [{"type": "text", "text": "mug"}, {"type": "text", "text": "cup"}]
    results = client().post(PATH, json=body(prompts=prompts, nms_iou_threshold=0.5)).json()["prompt_results"]
    assert [len(result["predictions"]) for result in results] == [1, 0]
    empty = client().post(PATH, json=body(prompts=TEXTS[1:], nms_iou_threshold=0.5)).json()["prompt_results"]
    assert empty[0]["predictions"] == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"prompts": [{"type": "visual", "boxes": [{"x": 1, "y": 2, "w": 3, "h": 4}]}]}, 422),
        ({"prompts": []}, 422),
        ({"prompts": TEXTS * 9}, 413),
        ({"prompts": [{"type": "text"}]}, 422),
        ({"output_prob_thresh": 7}, 422),
        ({"format": "binary"}, 422),
        ({"image": {"type": "url", "value": "http://169.254.169.254/latest"}}, 400),
        ({"image": {"type": "numpy", "value": "x"}}, 422),
        ({"image": {"type": "base64", "value": "//8="}}, 400),
    ],
)
def test_errors_have_the_shape_of_the_protocol(changes: dict[str, Any], status: int) -> None:
    answer = client().post(PATH, json=body(**changes))
    assert answer.status_code == status, answer.text
    assert answer.json()["message"]


def test_the_key_may_stand_in_the_body_the_query_or_a_header(tmp_path: Path) -> None:
    key = "a-key-of-sixteen-letters"
    (tmp_path / "key").write_text(key)
    locked = client(FakeService(), ServeSettings(api_key_file=tmp_path / "key"))
    assert locked.post(PATH, json=body()).status_code == 401
    assert locked.post(PATH, json=body(api_key="another-key-of-letters")).status_code == 401
    assert locked.post(PATH, json=body(api_key=key)).status_code == 200
    assert locked.post(f"{PATH}?api_key={key}", json=body()).status_code == 200
    assert locked.post(PATH, json=body(), headers={"Authorization": f"Bearer {key}"}).status_code == 200
