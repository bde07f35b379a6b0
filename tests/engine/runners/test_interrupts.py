"""Ctrl-C and kill -9 in the middle of a run: nothing is lost, nothing is doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from tests.engine.runners.toy import answer
from tests.faulty_server import FaultyServer, faulty_server

ROOT = Path(__file__).resolve().parents[3]
CALLS = 13  # of a row


def start(folder: Path, server: FaultyServer, rows: int) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.engine.runners.command", str(folder), server.url, str(rows)]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for(server: FaultyServer, count: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while len(server.requests) < count and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)


def finish(process: subprocess.Popen[str]) -> list[str]:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output.splitlines()


def ledger_lines(folder: Path) -> list[bytes]:
    return sorted(
        line for path in (folder / "ledger").glob("*.jsonl") for line in path.read_bytes().splitlines()
    )


def test_the_first_interrupt_keeps_the_calls_in_flight(tmp_path: Path) -> None:
    with faulty_server(answer, delay=0.05) as server:
        process = start(tmp_path, server, 100)
        wait_for(server, 20, process)
        process.send_signal(signal.SIGINT)
        said = finish(process)
        assert said == [
            "stopping: calls in flight finish and are kept; interrupt again to stop at once",
            "the run was interrupted: run again to resume",
        ]
        parts = [
            line for line in ledger_lines(tmp_path) if b'"stage":"outcome"' not in line.replace(b" ", b"")
        ]
        assert len(parts) == len(server.requests) < 100 * CALLS


def test_the_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    with faulty_server(answer, faults={"slow": 1.0}, slow=3.0) as server:
        process = start(tmp_path, server, 100)
        wait_for(server, 4, process)
        before = time.monotonic()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert time.monotonic() - before < 2.5
        assert process.returncode != 0
        assert "KeyboardInterrupt" in errors
        assert (
            len((tmp_path / "spending.jsonl").read_text().splitlines()) == 4
        )  # the server may charge for them


@pytest.mark.slow
def test_kills_at_random_moments_equal_an_unbroken_run(tmp_path: Path) -> None:
    rows, kills, random = 60, 8, Random(7)
    with faulty_server(answer) as server:
        assert finish(start(tmp_path / "whole", server, rows)) == [f"finished {rows}"]
    with faulty_server(answer, delay=0.02) as server:
        for kill in range(kills):
            process = start(tmp_path / "killed", server, rows)
            wait_for(server, len(server.requests) + random.randrange(1, rows * CALLS // kills), process)
            process.kill()
            process.communicate()
            assert process.returncode == -signal.SIGKILL, kill
        assert finish(start(tmp_path / "killed", server, rows)) == [f"finished {rows}"]
        assert ledger_lines(tmp_path / "killed") == ledger_lines(tmp_path / "whole")
        assert len(server.requests) <= rows * CALLS + kills * 4  # only calls in flight are repeated
