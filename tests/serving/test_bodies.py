"""Bounds on bodies, clients that leave, ids and metrics: the middleware, called as ASGI calls it."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from typing import Any

import pytest

from instructsam.serving import bodies
from instructsam.serving.app import create_app
from instructsam.serving.errors import BusyError, TooLargeError
from instructsam.serving.memory import Memory, reserve
from instructsam.serving.settings import Limits, ServeSettings
from tests.serving.clients import client
from tests.serving.fakes import FakeService
from tests.serving.pictures import base64_png, png


def test_a_declared_length_is_checked_before_the_body_is_read() -> None:
    settings = ServeSettings(limits=Limits(max_bytes=1000))
    answer = client(settings=settings).post("/v1/segment", content=b"x" * 1001)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


def test_chunks_are_counted() -> None:
    settings = ServeSettings(limits=Limits(max_bytes=1000))
    chunks = (b"x" * 600 for _ in range(2))
    assert client(settings=settings).post("/v1/segment", content=chunks).status_code == 413


def test_compressed_bodies_are_refused() -> None:
    answer = client().post("/v1/segment", content=b"x", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


def test_too_many_parts_are_refused() -> None:
    settings = ServeSettings(limits=Limits(max_images=2))
    files = [("image", png()) for _ in range(4)]
    answer = client(settings=settings).post("/v1/segment/batch", data={"instructions": "a"}, files=files)
    assert answer.status_code == 400
    assert "Too many files" in answer.json()["error"]["message"]


def test_memory_of_all_requests_is_limited() -> None:
    caller = client(settings=ServeSettings(request_bytes=1_000_000))
    caller.app.state.context.memory.add(990_000)  # type: ignore[attr-defined] # by other requests
    answer = caller.post("/v1/segment", json={"image": base64_png(), "instructions": ["a"]})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_memory_is_released() -> None:
    app = create_app(FakeService())
    for image in (base64_png(), "broken"):
        call(app, f'{{"image": "{image}", "instructions": ["a"]}}'.encode())
    assert app.state.context.memory.used == 0


def test_a_thread_that_outlives_its_request_reserves_nothing() -> None:
    memory = Memory(100)
    with memory.request():
        reserve(60)
        thread = copy_context()
    with pytest.raises(BusyError, match="ended"):
        thread.run(reserve, 60)
    assert memory.used == 0


def call(
    app: Any, body: bytes, *, pause: float = 0.0, leaves_after: float | None = None
) -> list[dict[str, Any]]:
    """The messages of an answer to a client that sends slowly, or leaves."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "method": "POST", "path": "/v1/segment", "query_string": b"", "root_path": "",
        "scheme": "http", "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 9), "http_version": "1.1",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"content-type", b"application/json")],
    }  # fmt: skip

    async def run() -> None:
        complete = asyncio.Event()
        first = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if first:
                await asyncio.sleep(pause)
                return first.pop()
            if leaves_after is None:
                await complete.wait()
            else:
                await asyncio.sleep(leaves_after)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                complete.set()

        await app(scope, receive, send)

    asyncio.run(run())
    return sent


BODY = f'{{"image": "{base64_png()}", "instructions": ["a"]}}'.encode()


def test_a_client_that_leaves_cancels_its_job(caplog: pytest.LogCaptureFixture) -> None:
    service = FakeService(delay=30)
    app = create_app(service)
    with caplog.at_level(logging.INFO, "instructsam.serving"):
        assert call(app, BODY, leaves_after=0.3) == []
    assert service.cancelled == 1
    assert app.state.context.memory.used == 0
    assert caplog.records[-1].facts["status"] == 499  # type: ignore[attr-defined]


def test_a_slow_body_ends_with_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)
    assert call(create_app(FakeService()), BODY, pause=0.5)[0]["status"] == 408


def test_a_time_limit_ends_with_504() -> None:
    settings = ServeSettings(limits=Limits(max_seconds=0.05))
    answer = client(FakeService(delay=5), settings).post(
        "/v1/segment", content=BODY, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 504


@pytest.mark.parametrize(
    ("given", "kept"), [("job-1:a.b", True), ("a b", False), ("x" * 65, False), ("é", False)]
)
def test_request_ids(given: str, kept: bool) -> None:
    answer = client().get("/health", headers={"X-Request-ID": given.encode()})
    assert (answer.headers["x-request-id"] == given) == kept


def test_metrics_have_no_text_of_users() -> None:
    caller = client()
    caller.post("/v1/segment", json={"image": base64_png(), "instructions": ["a secret"], "model": "secret"})
    caller.get("/secret/path?secret=1")
    text = caller.get("/metrics").text
    assert 'instructsam_requests_total{method="POST",route="/v1/segment",status="404"} 1.0' in text
    assert 'route="unmatched",status="404"} 1.0' in text
    assert "secret" not in text


def test_the_log_has_no_text_of_users(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "instructsam"):
        client().post("/v1/segment?key=hidden", json={"image": base64_png(), "instructions": ["hidden"]})
    shown = "".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "/v1/segment" in shown
    assert "hidden" not in shown


def test_readiness() -> None:
    service = FakeService(ready=False)
    caller = client(service)
    assert caller.get("/health").status_code == 200
    assert caller.get("/ready").json() == {"ready": False, "state": "loading"}
    service.ready = True
    assert caller.get("/ready").status_code == 200
    caller.app.state.context.stopping = True  # type: ignore[attr-defined]
    assert caller.get("/ready").status_code == 503


def test_masks_of_answers_count_too() -> None:
    """An image of 80 x 64 px takes 20,480 bytes, a mask 5,120; one is counted before the model runs."""
    phrases = [f"mug {number}" for number in range(9)]
    body = {"image": base64_png(), "instructions": ["all"], "phrases": phrases}
    few = client(settings=ServeSettings(request_bytes=300_000)).post("/v1/segment", json=body)
    assert few.status_code == 200, few.text
    large = client(settings=ServeSettings(request_bytes=100_000)).post("/v1/segment", json=body)
    assert large.status_code == 503, large.text


def test_a_request_that_never_fits_is_too_large() -> None:
    memory = Memory(100)
    with memory.request(), pytest.raises(TooLargeError, match="for all requests"):
        reserve(101)
