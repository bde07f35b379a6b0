"""The real client of each protocol against a running server. `make test-clients` makes their environments.

Each client has an environment of its own, since their dependencies conflict; the variable CLIENT_PYTHON_NAME names its
interpreter. A client without one is skipped.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from instructsam.serving.server import open_socket
from instructsam.serving.settings import ServeSettings
from instructsam.structures.masks import decode_rle
from tests.serving.fakes import FakeService
from tests.serving.live import live_server
from tests.serving.pictures import png

pytestmark = pytest.mark.clients

KEY = "a-key-of-sixteen-letters"
SCRIPTS = Path(__file__).parent / "clients"
SOURCE = Path(__file__).parents[3] / "src"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    path.write_bytes(png())
    return path


@pytest.fixture
def server() -> Iterator[str]:
    with live_server(FakeService()) as url:
        yield url


@pytest.fixture
def locked_server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "key").write_text(KEY)
    with live_server(FakeService(), ServeSettings(api_key_file=tmp_path / "key")) as url:
        yield url


def run(name: str, *arguments: object, **variables: str) -> Any:
    """The JSON that a script prints in the environment of its client."""
    python = os.environ.get(f"CLIENT_PYTHON_{name.upper()}")
    if not python:
        pytest.skip(f"CLIENT_PYTHON_{name.upper()} does not name an interpreter: run `make test-clients`")
    script = SCRIPTS / f"{name}.py"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "QT_QPA_PLATFORM": "offscreen", **variables}
    done = subprocess.run(
        [python, str(script), *map(str, arguments)],
        capture_output=True, text=True, timeout=200, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    sys.stderr.write(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def test_cvat(server: str, picture: Path) -> None:
    found = run("cvat", server, picture)
    assert found["labels"] == [100, 101]
    assert found["frames"] == [5, 5]
    assert found["types"] == ["mask", "mask", "polygon", "polygon"]
    assert found["area"] == 64 * 40 - 1
    assert found["points"] > 8
    assert found["confident"] == 0


def test_roboflow(locked_server: str, picture: Path) -> None:
    found = run("roboflow", locked_server, picture)
    assert found["counts"] == [1, 0]
    assert found["echo"] == "nothing"
    assert found["rings"] == 1
    assert decode_rle(found["code"]).sum() == 64 * 40 - 1
    assert "422" in found["refusal"]
    assert "text" in found["refusal"]


def test_x_anylabeling(locked_server: str, picture: Path) -> None:
    found = run("x_anylabeling", locked_server, picture, HOME=str(picture.parent))
    assert found["models"] == ["default"]
    assert found["mode"] == "text_prompt"
    assert found["shapes"] == [["the red mugs", "polygon", True]]
    assert found["replace"] is True
    assert found["none"] == 0
    assert found["box"] == [[0, 0], [40, 0], [40, 64], [0, 64]]
    assert len(found["messages"]) == 1
    assert "422" in found["messages"][0]


TOKEN = "a1b2c3d4e5f6a7b8c9d0"


@pytest.fixture
def label_studio(tmp_path: Path) -> Iterator[str]:
    """The URL of a new Label Studio; its database takes a minute or more."""
    python = os.environ.get("CLIENT_PYTHON_LABEL_STUDIO")
    if not python:
        pytest.skip("CLIENT_PYTHON_LABEL_STUDIO does not name an interpreter: run `make test-clients`")
    with open_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    variables = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "false",
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
    }
    user = ["--username", "me@example.org", "--password", "of-twelve-letters", "--user-token", TOKEN]
    command = [Path(python).with_name("label-studio"), "start", "--no-browser", "--port", str(port), *user]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 420
        while not _answers(f"{url}/health"):
            assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
            assert time.monotonic() < end, "Label Studio did not start"
            time.sleep(1)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.timeout(700)
def test_label_studio(
    label_studio: str, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
    (tmp_path / "key").write_text(KEY)
    settings = ServeSettings(api_key_file=tmp_path / "key", label_studio_url=label_studio)
    service = FakeService()
    with live_server(service, settings) as url:
        found = run("label_studio", label_studio, TOKEN, url, picture, KEY)
    assert found["state"] == "CO"
    assert found["image"].startswith("/data/upload/")
    assert found["stored"] == found["version"] == "instructsam default 0123456789ab"
    assert found["labels"] == [["mug"]]
    assert found["areas"] == [64 * 40 - 1] * 2
    assert service.jobs[0][0].instructions == ("the mugs that are not red", "nothing")
    assert service.jobs[-1][0].instructions == ("the mug on the left",)
