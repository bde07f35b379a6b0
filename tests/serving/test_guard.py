"""Who may call the server: hosts, sites, keys."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from instructsam.errors import InputError
from instructsam.serving.app import create_app
from instructsam.serving.auth import KEY_IN_BODY, PUBLIC
from instructsam.serving.keys import Keys, readable_by_others
from instructsam.serving.settings import ServeSettings
from tests.serving.clients import client
from tests.serving.fakes import FakeService

KEY = "0123456789abcdef-KEY"


@pytest.fixture
def with_key(tmp_path: Path) -> ServeSettings:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    return ServeSettings(api_key_file=path)


def routes() -> list[tuple[str, str]]:
    found = [route for route in create_app(FakeService()).routes if isinstance(route, APIRoute)]
    return [(method, route.path) for route in found for method in route.methods]


def test_every_route_needs_the_key(with_key: ServeSettings) -> None:
    caller = client(settings=with_key)
    for method, path in [*routes(), ("GET", "/nowhere"), ("GET", "/docs"), ("GET", "/openapi.json")]:
        status = caller.request(method, path, json={} if method == "POST" else None).status_code
        if path in PUBLIC:
            assert status == 200, path
        elif path.startswith(KEY_IN_BODY):
            assert status in (401, 422), path
        else:
            assert status == 401, path


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer  {KEY}"},
        {"Authorization": f"Token {KEY}"},
        {"Authorization": "Basic " + base64.b64encode(f"anyone:{KEY}".encode()).decode()},
        {"X-API-Key": KEY},
        {"Token": KEY},
    ],
)
def test_ways_to_send_the_key(headers: dict[str, str], with_key: ServeSettings) -> None:
    assert client(settings=with_key).get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": KEY},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic " + base64.b64encode(KEY.encode()).decode()},
        {"X-API-Key": KEY + "x"},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": ""},
    ],
)
def test_wrong_keys(headers: dict[str, str], with_key: ServeSettings) -> None:
    answer = client(settings=with_key).get("/v1/models", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert KEY not in answer.text


def test_a_key_in_the_query_is_for_one_protocol_alone(with_key: ServeSettings) -> None:
    assert client(settings=with_key).get(f"/v1/models?api_key={KEY}").status_code == 401


def test_a_query_with_many_fields() -> None:
    answer = client().post("/sam3/concept_segment?" + "a=b&" * 200, json={})
    assert answer.status_code == 400


@pytest.mark.parametrize("text", ["", "short", "with space in the key", "ümlaut-in-the-key-0123", "a" * 513])
def test_unfit_keys_are_refused_without_showing_them(text: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(InputError, match="printable ASCII") as caught:
        Keys.load(path)
    assert not text or text not in str(caught.value)


def test_a_key_file_of_others_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o600)
    assert not readable_by_others(path)
    path.chmod(0o644)
    assert readable_by_others(path)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("[::1]:8000", 200),
        ("127.9.9.9", 200),
        ("attacker.example", 403),
        ("localhost.attacker.example", 403),
        ("127.0.0.1.attacker.example", 403),
        ("127.0.0.1@attacker.example", 403),
        ("2130706433", 403),
        ("[::1", 403),
        ("192.168.0.5", 403),
    ],
)
def test_hosts_of_a_server_without_a_key(host: str, status: int) -> None:
    assert client().get("/v1/models", headers={"Host": host}).status_code == status


def test_public_hosts() -> None:
    caller = client(settings=ServeSettings(public_hosts=("segment.example",)))
    assert caller.get("/v1/models", headers={"Host": "segment.example"}).status_code == 200
    assert caller.get("/v1/models", headers={"Host": "other.example"}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1:8000"}, 422),
        ({"Origin": "http://127.0.0.1:9000"}, 403),
        ({"Origin": "https://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 422),
        ({}, 422),
    ],
)
def test_pages_of_other_sites_are_refused(headers: dict[str, str], status: int) -> None:
    assert client().post("/v1/segment", json={}, headers=headers).status_code == status


def test_no_answer_allows_other_sites() -> None:
    answer = client().get("/health", headers={"Origin": "https://attacker.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
