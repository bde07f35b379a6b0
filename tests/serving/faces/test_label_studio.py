"""The routes of a Label Studio ML backend."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.exports.label_studio_interface import labelling_interface
from instructsam.exports.label_studio_regions import LABEL_TAGS, RegionKind
from instructsam.exports.label_studio_rle import decode_brush
from instructsam.serving.settings import ServeSettings
from tests.serving.clients import client
from tests.serving.fakes import FakeService
from tests.serving.pictures import base64_png

URI = f"data:image/png;base64,{base64_png()}"
TASK = {"id": 7, "data": {"image": URI}}


def interface(kind: RegionKind = "brush", labels: tuple[str, ...] = ("mug", "nothing")) -> str:
    return labelling_interface(labels, [kind], instruction=True)


def predict(service: FakeService | None = None, **changes: Any) -> Any:
    body = {"tasks": [TASK], "model_version": "", "project": "1.2", "label_config": interface()}
    return client(service).post("/predict", json={**body, **changes})


def typed(text: Any) -> dict[str, Any]:
    entry = {"type": "textarea", "from_name": "instruction", "original_width": 80, "value": {"text": text}}
    return {"login": None, "password": None, "context": {"result": [entry]}}


def test_setup_is_answered_while_the_model_loads() -> None:
    loading = client(FakeService(ready=False))
    body = {"project": "1.1", "schema": interface(), "hostname": "http://label-studio", "access_token": "x"}
    assert loading.get("/health").json()["status"] == "UP"
    assert loading.post("/setup", json=body).json() == {"model_version": "instructsam default"}


def test_every_label_is_looked_for_without_a_context() -> None:
    service = FakeService()
    answer = predict(service, params={"context": None})
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    (found,) = result["result"]
    assert service.jobs[0][0].instructions == ("mug", "nothing")
    assert found["value"]["brushlabels"] == ["mug"]
    assert (found["from_name"], found["to_name"], found["original_width"]) == ("brush", "image", 80)
    assert decode_brush(found["value"]["rle"], (64, 80)).sum() == 64 * 40 - 1
    assert result["model_version"] == "instructsam default 0123456789ab"


def test_the_text_of_an_annotator_is_the_instruction() -> None:
    service = FakeService()
    answer = predict(service, params=typed(["the mug <|im_end|> on the left"]))
    assert service.jobs[0][0].instructions == ("the mug <|im_end|> on the left",)
    assert answer.json()["results"][0]["result"][0]["value"]["brushlabels"] == ["mug"]


def test_a_label_may_have_an_instruction() -> None:
    service = FakeService()
    text = interface().replace('value="mug"', 'value="mug" instruction="the mugs that are not red"')
    answer = predict(service, label_config=text)
    assert service.jobs[0][0].instructions[0] == "the mugs that are not red"
    assert answer.json()["results"][0]["result"][0]["value"]["brushlabels"] == ["mug"]


@pytest.mark.parametrize("kind", ["bitmask", "polygon", "rectangle"])
def test_regions_are_those_of_the_interface(kind: RegionKind) -> None:
    answer = predict(label_config=interface(kind, ("mug",)))
    (found,) = answer.json()["results"][0]["result"]
    assert found["type"] == LABEL_TAGS[kind].lower()
    if kind == "bitmask":
        content = base64.b64decode(found["value"]["imageDataURL"].partition(",")[2])
        alpha = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))[..., 3]
        assert (alpha > 0).sum() == 64 * 40 - 1
    if kind == "rectangle":
        assert found["value"]["width"] == 50


def test_webhooks_are_accepted() -> None:
    assert client().post("/webhook", json={"action": "ANNOTATION_CREATED"}).status_code == 201


def test_training_is_accepted_and_ignored() -> None:
    assert client().post("/train", json={}).json() == {"status": "ignored"}


def test_a_new_project_without_an_interface_can_be_connected() -> None:
    answer = client().post("/setup", json={"project": "1.1", "schema": "<View></View>"})
    assert answer.json()["model_version"] == "instructsam default 0123456789ab"
    assert client().post("/setup", json={"schema": "<View><Image/></View>"}).status_code == 400


def test_a_task_that_fails_does_not_harm_the_others() -> None:
    bad = {"id": 8, "data": {"image": "data:image/png;base64,AAAA"}}
    answer = predict(tasks=[TASK, bad, TASK])
    assert answer.status_code == 200, answer.text
    good, failed, last = answer.json()["results"]
    assert "result" not in failed  # Label Studio stores no prediction and sends the task again
    assert failed["error"]["code"] == "bad_image"
    assert len(good["result"]) == len(last["result"]) == 1
    assert predict(tasks=[bad, bad]).status_code == 400


def test_tasks_that_are_not_reached_in_time_are_left_for_the_next_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("instructsam.serving.faces.label_studio.PREDICT_SECONDS", 0.4)
    monkeypatch.setattr("instructsam.serving.faces.label_studio.AT_ONCE", 1)
    results = predict(FakeService(delay=0.25), tasks=[TASK, TASK, TASK]).json()["results"]
    assert "result" in results[0]
    assert [entry["error"]["code"] for entry in results[1:]] == ["time_limit"] * 2


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><View><Image name="i" value="$image"/>&b;</View>'
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<View>",
        BOMB,
        "<View><Image name='i' value='$image'/></View>",
        "<View/>" * 2,
        "<a>" * 5000 + "</a>" * 5000,
    ],
)
def test_an_interface_that_is_not_usable_is_refused(text: str) -> None:
    answer = predict(label_config=text)
    assert answer.status_code == 400, answer.text
    assert "interface" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"tasks": [{"data": {}}]}, 422),
        ({"tasks": [{"data": {"image": "s3://bucket/a.jpg"}}]}, 400),
        ({"tasks": [{"data": {"image": "/data/local-files/?d=../../etc/passwd"}}]}, 400),
        ({"tasks": [{"data": {"image": "//169.254.169.254/a"}}]}, 400),
        ({"tasks": [{"data": {"image": "http://169.254.169.254/a"}}]}, 400),
        ({"tasks": [TASK] * 300}, 413),
        ({"tasks": "x"}, 422),
        ({"params": typed(3)}, 422),
        ({"params": typed([])}, 422),
        ({"params": {"context": {"result": [{"type": "keypointlabels", "value": {"x": 1}}]}}}, 422),
    ],
)
def test_other_faults_are_refused(changes: dict[str, Any], status: int) -> None:
    answer = predict(**changes)
    assert answer.status_code == status, answer.text


ACCESS = b'{"access": "a.short.one"}'


def test_paths_are_fetched_from_the_configured_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, Any, Any]] = []

    async def fetch(
        url: str, settings: ServeSettings, headers: Any = None, name: str = "", body: bytes | None = None
    ) -> bytes:
        sent.append((url, settings.allow_private_hosts, headers))
        return base64.b64decode(base64_png()) if body is None else ACCESS

    monkeypatch.setattr("instructsam.serving.faces.label_studio_images.fetch", fetch)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "token-of-a-user")
    settings = ServeSettings(label_studio_url="http://label-studio:8080/")
    body = {"tasks": [{"data": {"image": "/data/upload/1/a b.jpg"}}], "label_config": interface()}
    assert client(FakeService(), settings).post("/predict", json=body).status_code == 200
    expected = ("http://label-studio:8080/data/upload/1/a%20b.jpg", ("label-studio:8080",))
    assert sent == [(*expected, {"Authorization": "Token token-of-a-user"})]

    sent.clear()
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a.personal.token")
    client(FakeService(), settings).post("/predict", json={**body, "tasks": body["tasks"] * 2})
    assert sent[0][0] == "http://label-studio:8080/api/token/refresh"
    assert sent[-1] == (*expected, {"Authorization": "Bearer a.short.one"})
