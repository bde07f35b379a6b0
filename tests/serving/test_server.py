"""The process: signals, slow connections, ports, and one answer of the shipped model."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from typer.testing import CliRunner

from instructsam.cli import main
from instructsam.cli.serve import parse_models
from instructsam.errors import InputError
from instructsam.serving.server import check_address, open_socket
from instructsam.serving.settings import ServeSettings
from tests.serving.pictures import base64_png
from tests.serving.processes import ServerProcess, server_process

# A server whose model answers after a while; its time limits on connections are short.
FAKE = """
import sys
from instructsam.serving import connections
from instructsam.serving.app import create_app
from instructsam.serving.logs import log_to_stderr
from instructsam.serving.server import open_socket, run_server
from instructsam.serving.settings import ServeSettings
from tests.serving.fakes import FakeService
connections.HEAD_SECONDS = 0.5
settings = ServeSettings(drain_seconds=0.3)
log_to_stderr()
app = create_app(FakeService(delay=float(sys.argv[1])), settings)
run_server(app, open_socket("127.0.0.1", 0), lambda url: print(url, flush=True))
"""


def post(server: ServerProcess, seconds: float = 30.0) -> tuple[int, dict[str, object]]:
    content = json.dumps({"image": base64_png(), "instructions": ["the red mugs"]}).encode()
    request = Request(server.url + "/v1/segment", content, {"Content-Type": "application/json"})
    with urlopen(request, timeout=seconds) as answer:
        return answer.status, json.load(answer)


def post_in_vain(server: ServerProcess) -> None:
    with suppress(OSError):
        post(server)


def test_the_shipped_model_answers_and_the_process_ends(tmp_path: Path) -> None:
    with server_process(tmp_path, "--drain-seconds", "0") as server:
        assert server.status("/health") == 200  # while the model loads
        server.wait_until("/ready", 200)
        status, answer = post(server)
        assert status == 200
        assert answer["predictions"][0]["instruction"] == "the red mugs"  # type: ignore[index]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        logged = server.log.read_text()
        assert "mugs" not in logged
        assert server.records()[-1]["event"] == "request"


def test_a_running_request_is_finished(tmp_path: Path) -> None:
    with server_process(tmp_path, "1.5", code=FAKE) as server:
        found: list[int] = []
        caller = threading.Thread(target=lambda: found.append(post(server)[0]))
        caller.start()
        time.sleep(0.4)
        server.process.send_signal(signal.SIGTERM)
        server.wait_until("/ready", 503, 5)
        server.wait_until("/ready", 0, 5)
        caller.join(10)
        assert found == [200]
        assert server.process.wait(10) == 0


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with server_process(tmp_path, "60", code=FAKE) as server:
        threading.Thread(target=post_in_vain, args=(server,), daemon=True).start()
        time.sleep(0.4)
        server.process.send_signal(signal.SIGTERM)
        server.wait_until("/ready", 503, 5)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 128 + signal.SIGTERM


def test_slow_heads_are_disconnected(tmp_path: Path) -> None:
    with server_process(tmp_path, "0", code=FAKE) as server:
        port = int(server.url.rpartition(":")[2])
        for begin in (b"", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(begin)
                try:
                    assert connection.recv(100) == b""
                except ConnectionResetError:
                    continue
        assert server.status("/health") == 200


def test_a_port_in_use() -> None:
    with open_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 is in use"):
            open_socket("127.0.0.1", port)


def test_another_address_needs_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    for host in ("0.0.0.0", "::", "192.168.0.5", "server.example"):
        with pytest.raises(InputError, match="--api-key-file"):
            check_address(ServeSettings(host=host))
    assert main.run(["serve", "--host", "0.0.0.0"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_model_that_cannot_be_loaded_ends_the_process(tmp_path: Path) -> None:
    model = tmp_path / "broken"
    model.mkdir()
    (model / "config.json").write_text("{}")
    with server_process(tmp_path, "--model", str(model)) as server:
        assert server.process.wait(180) == 2
        last = server.log.read_text().splitlines()[-1]
        assert last.startswith("instructsam: error: the model broken could not be loaded: ")


def test_names_of_models(tmp_path: Path) -> None:
    assert parse_models([]) == {"default": "default"}
    assert parse_models(["owner/name", "b=owner/name"]) == {"name": "owner/name", "b": "owner/name"}
    with pytest.raises(InputError, match="two models of the name"):
        parse_models(["a=default", "a=default"])


def test_help() -> None:
    assert "--api-key-file" in CliRunner().invoke(main.app, ["serve", "--help"]).output
