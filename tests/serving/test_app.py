"""The application as a whole: start, stop, error answers."""

from __future__ import annotations

from fastapi.testclient import TestClient

from instructsam.serving.app import create_app
from tests.serving.fakes import FakeService


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
