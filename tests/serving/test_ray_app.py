"""The application of Ray Serve, on a local Ray. Needs `ray[serve]`, which the extra `cluster` installs."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from instructsam.errors import ConfigError
from tests.serving.pictures import base64_png

pytest.importorskip("ray.serve", reason="pip install 'instructsam[cluster]'", exc_type=ImportError)


def test_settings_are_text_of_the_command_line_or_values_of_a_file(tmp_path: Any) -> None:
    from instructsam.serving.ray_app import parse_settings

    found = parse_settings(
        {"replicas": "2", "gpus": 1, "serve.max_batch": "4", "serve.models": {"a": "default"}}
    )
    assert (found.replicas, found.gpus, found.serve.max_batch) == (2, 1, 4)
    assert found.serve.models == {"a": "default"}
    file = tmp_path / "settings.yaml"
    file.write_text("replicas: 3\nserve: {queue: 7}\n")
    assert parse_settings({"settings": str(file)}).serve.queue == 7
    with pytest.raises(ConfigError, match="replicas"):
        parse_settings({"replica": "2"})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of two replicas."""
    import ray
    from ray import serve

    from instructsam.serving.ray_app import app

    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": 8123})
    serve.run(app({"replicas": 2, "cpus": 0.5, "serve.devices": ["cpu"]}), route_prefix="/")
    yield "http://127.0.0.1:8123"
    serve.shutdown()
    ray.shutdown()


def _request(url: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=100) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _until_ready(address: str) -> None:
    answers: list[Any] = []
    for _ in range(200):  # both replicas must have loaded their model
        answers = [_request(f"{address}/ready") for _ in range(8)]
        if all(status == 200 for status, _ in answers):
            return
        time.sleep(0.5)
    raise AssertionError(answers)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_replicas_answer_and_replace_a_killed_one(address: str) -> None:
    import ray
    from ray.util import list_named_actors

    _until_ready(address)
    body = {"image": base64_png(), "instructions": ["the red mugs"]}
    status, answer = _request(f"{address}/v1/segment", body)
    assert (status, answer["model"]) == (200, "default"), answer
    assert _request(f"{address}/v1/segment", {"image": "?", "instructions": ["x"]})[0] == 400
    names = [actor["name"] for actor in list_named_actors(all_namespaces=True)]
    replicas = [name for name in names if name.startswith("SERVE_REPLICA::")]
    assert len(replicas) == 2, names
    ray.kill(ray.get_actor(replicas[0], namespace="serve"))
    statuses = [_request(f"{address}/v1/segment", body)[0] for _ in range(10)]
    assert 200 in statuses
    _until_ready(address)
    assert [_request(f"{address}/v1/segment", body)[0] for _ in range(4)] == [200] * 4
