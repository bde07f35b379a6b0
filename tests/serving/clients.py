"""Clients of an application in this process."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from instructsam.serving.app import create_app
from instructsam.serving.service import Service
from instructsam.serving.settings import ServeSettings
from tests.serving.fakes import FakeService


def client(
    service: Service | None = None, settings: ServeSettings | None = None, **options: Any
) -> TestClient:
    """A client of a new application; the server refuses hosts other than loopback, such as the default one."""
    app = create_app(service or FakeService(), settings)
    return TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False, **options)
