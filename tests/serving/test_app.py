"""The application as a whole: start, stop, error answers."""

from __future__ import annotations

import logging
import re

import pytest
from fastapi.testclient import TestClient

from instructsam.serving.app import create_app
from instructsam.serving.settings import ServeSettings
from tests.serving.clients import client
from tests.serving.fakes import FakeService
from tests.serving.pictures import base64_png


def test_the_lifespan_starts_and_stops_the_service() -> None:
    service = FakeService()
    with TestClient(create_app(service), base_url="http://127.0.0.1") as client:
        assert service.started
        assert client.get("/health").json()["status"] == "UP"
    assert service.stopped


def test_an_unknown_path_has_the_shape_of_errors() -> None:
    with TestClient(create_app(FakeService()), base_url="http://127.0.0.1") as client:
        answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_the_pages_of_the_api_load_nothing_from_other_hosts() -> None:
    answer = client().get("/docs")
    assert answer.status_code == 200
    assert "/v1/segment" in answer.text
    assert "score_threshold" in answer.text
    assert not re.search(r"(src|href)=.?(https?:)?//", answer.text)
    assert "script" not in answer.headers["content-security-policy"]


def test_every_reference_of_the_openapi_document_resolves() -> None:
    text = client().get("/openapi.json").text
    document = client().get("/openapi.json").json()
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert "SegmentRequest" in references
    assert references <= set(document["components"]["schemas"])


@pytest.mark.parametrize("logged", [False, True])
def test_texts_are_logged_on_request_alone(logged: bool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "instructsam"):
        client(settings=ServeSettings(log_text=logged)).post(
            "/v1/segment", json={"image": base64_png(), "instructions": ["my words"]}
        )
    facts = [str(getattr(record, "facts", "")) for record in caplog.records]
    assert any("my words" in text for text in facts) == logged
