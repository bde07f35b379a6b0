"""The files of deploy/ and the snippets of docs/deploy.md agree with the server; no daemon is needed."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import typer
import yaml

from instructsam.cli.serve import serve

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
KEY = "/run/secrets/instructsam_key"


def instructions(name: str) -> list[str]:
    """The arguments of each instruction `name` of the Dockerfile, in order; lines that continue are joined."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text())
    return [line.partition(" ")[2] for line in text.splitlines() if line.split(" ", 1)[0] == name]


def options_of_serve() -> set[str]:
    app = typer.Typer()
    app.command()(serve)
    return {option for parameter in typer.main.get_command(app).params for option in parameter.opts}


def check_options(arguments: list[str]) -> None:
    used = {argument for argument in arguments if argument.startswith("--")}
    assert used <= options_of_serve(), used - options_of_serve()


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_the_image_is_not_run_as_root_and_has_a_key() -> None:
    command = json.loads(instructions("ENTRYPOINT")[0])
    assert command[:2] == ["instructsam", "serve"]
    assert command[command.index("--api-key-file") + 1] == KEY
    check_options(command)
    assert instructions("USER") == ["instructsam"]
    assert "/health" in instructions("HEALTHCHECK")[0]
    assert instructions("VOLUME") == ["/models"]


def test_the_image_has_pinned_versions_and_copies_what_exists() -> None:
    assert any("pip install -c versions.txt" in line for line in instructions("RUN"))
    for line in instructions("COPY"):
        if not line.startswith("--from"):
            assert all((ROOT / name).exists() for name in line.split()[:-1]), line
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", "deploy/.env", "deploy/instructsam_key"} <= set(ignored)


def test_compose_has_no_default_password_and_listens_on_loopback() -> None:
    services = compose()["services"]
    check_options(services["instructsam"]["command"])
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for name, value in service["environment"].items():
            if name.endswith(("PASSWORD", "KEY", "USERNAME")):
                assert re.fullmatch(r"\$\{\w+:(-|\?[^}]+)\}", value), name
    assert services["instructsam"]["read_only"] is True
    assert services["label-studio"]["depends_on"]["instructsam"] == {"condition": "service_healthy"}


def test_the_example_of_variables_lists_those_of_compose() -> None:
    lines = [line for line in (DEPLOY / ".env.example").read_text().splitlines() if not line.startswith("#")]
    values = dict(line.split("=", 1) for line in lines if line)
    assert set(values) == set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert {name for name, value in values.items() if value} == {"LABEL_STUDIO_VERSION"}


def test_the_systemd_unit_starts_the_server_with_a_key() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read(DEPLOY / "instructsam.service")
    command = shlex.split(unit["Service"]["ExecStart"])
    assert command[1] == "serve"
    assert "--api-key-file" in command
    check_options(command)
    assert unit["Service"]["DynamicUser"] == "yes"


def test_the_snippets_of_the_page_parse() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    pod, ray = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    container = pod["containers"][0]
    for probe, path in (("livenessProbe", "/health"), ("readinessProbe", "/ready")):
        assert container[probe]["httpGet"]["path"] == path
    assert container["volumeMounts"][0]["mountPath"] == KEY
    from instructsam.serving.settings import ServeSettings

    assert set(ray) == {"replicas", "gpus", "serve"}
    assert set(ray["serve"]) <= set(ServeSettings.model_fields)
    for command in re.findall(r"^instructsam serve .*$|`instructsam serve ([^`]*)`", page, re.MULTILINE):
        check_options(shlex.split(command))


@pytest.mark.slow
def test_the_start_command_works_without_a_home_that_can_be_written(tmp_path: Path) -> None:
    """As the image runs it: no home that can be written, and the check of the image."""
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef\n")
    command = [sys.executable, "-m", *json.loads(instructions("ENTRYPOINT")[0]), "--port", "0"]
    command[command.index(KEY)] = str(key)
    environment = {**os.environ, "HOME": "/nonexistent", "HF_HOME": str(tmp_path / "models")}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        found = re.search(r":(\d+)$", process.stdout.readline().strip())
        assert found is not None
        check = json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])
        check = [sys.executable, *check[1:]]
        check[-1] = check[-1].replace(":8000", f":{found[1]}")
        assert subprocess.run(check, timeout=60).returncode == 0
        for _ in range(120):
            try:
                with urlopen(f"http://127.0.0.1:{found[1]}/ready", timeout=10) as answer:
                    assert answer.status == 200
                break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.fail("the server is not ready")
    finally:
        process.terminate()
        assert process.wait(60) == 0
        if process.stdout is not None:
            process.stdout.close()
