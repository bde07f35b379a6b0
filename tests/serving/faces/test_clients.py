"""The real client of each protocol against a running server. `make test-clients` makes their environments.

Each client has an environment of its own, since their dependencies conflict; the variable CLIENT_PYTHON_NAME names its
interpreter. A client without one is skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
