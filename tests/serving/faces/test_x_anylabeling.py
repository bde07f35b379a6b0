"""The routes of X-AnyLabeling's remote server."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from instructsam.serving.errors import BusyError
from instructsam.serving.faces.x_anylabeling import PREFIX
from tests.serving.clients import client
from tests.serving.fakes import FakeService
from tests.serving.pictures import base64_png


def predict(service: FakeService | None = None, **parameters: Any) -> Any:
    body = {"model": "default", "image": f"data:image/png;base64,{base64_png()}", "params": parameters}
    return client(service).post(f"{PREFIX}/v1/predict", json=body)


def test_the_models_have_the_widgets_that_the_program_shows() -> None:
    answer = client().get(f"{PREFIX}/v1/models").json()
    model = answer["data"]["default"]
    assert answer["success"] is True
    assert model["batch_processing_mode"] == "text_prompt"
    assert {"name": "edit_conf", "value": 0.3} in model["widgets"]
    assert "edit_text" in model["available_tasks"][0]["active_widgets"]
    assert client().get(f"{PREFIX}/v1/models/default/info").json()["data"] == model


def test_a_text_becomes_one_polygon_per_instance() -> None:
    answer = predict(text_prompt="the red mugs", conf_threshold=0.0, epsilon_factor=0.0001, iou_threshold=0.5)
    assert answer.status_code == 200, answer.text
    (shape,) = answer.json()["data"]["shapes"]
    assert (shape["label"], shape["shape_type"], shape["group_id"]) == ("the red mugs", "polygon", 1)
    canvas = Image.new("1", (80, 64))
    ImageDraw.Draw(canvas).polygon([tuple(point) for point in shape["points"]], fill=1)
    assert abs(int(np.asarray(canvas).sum()) - 64 * 40) < 120  # Pillow fills the border, too


def test_boxes_are_a_task_of_their_own() -> None:
    (shape,) = predict(text_prompt="mug", current_task="rectangles").json()["data"]["shapes"]
    assert shape["shape_type"] == "rectangle"
    assert shape["points"] == [[0, 0], [40, 0], [40, 64], [0, 64]]


def test_no_target_is_reported() -> None:
    assert predict(text_prompt="nothing").json()["data"] == {"shapes": [], "description": "nothing matches"}


def test_the_threshold_of_the_program_reaches_the_model() -> None:
    service = FakeService()
    predict(service, text_prompt="mug", conf_threshold=0.4)
    assert service.jobs[0][0].score_threshold == 0.4


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({}, 422),
        ({"marks": [{"type": "point", "data": [1, 2]}]}, 422),
        ({"text_prompt": 3}, 422),
        ({"text_prompt": "mug", "conf_threshold": 7}, 422),
        ({"text_prompt": "x" * 5000}, 413),
        ({"text_prompt": "\u200b"}, 400),
    ],
)
def test_errors_have_the_shape_of_the_protocol(parameters: dict[str, Any], status: int) -> None:
    answer = predict(**parameters)
    assert answer.status_code == status, answer.text
    assert answer.json()["success"] is False
    assert answer.json()["error"]["message"]


def test_a_full_queue_is_a_503_with_the_time_to_wait() -> None:
    answer = predict(FakeService(error=BusyError("the queue is full", 7)), text_prompt="mug")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert answer.json()["success"] is False
