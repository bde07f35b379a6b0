"""Runs that are killed at random moments and resumed: no part is lost, doubled or changed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from instructsam.engine.ledger.ledger import Ledger
from tests.engine.ledger import crash_driver
from tests.engine.runners.toy import ToyResponder, make_rows


def start(folder: Path, rows: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", crash_driver.__name__, str(folder), str(rows)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def kill_when(process: subprocess.Popen[bytes], path: Path, size: int) -> bool:
    """Whether the process was killed before its end, when its segment had about this size."""
    while process.poll() is None:
        if path.exists() and path.stat().st_size >= size:
            process.kill()
            process.communicate()
            return process.returncode != 0
        time.sleep(0.0003)
    message = process.communicate()[1]
    assert process.returncode == 0, message.decode()
    return False


@pytest.mark.parametrize(
    ("rows", "kills"),
    [(60, 4), pytest.param(1000, 20, marks=(pytest.mark.slow, pytest.mark.timeout(900)))],
    ids=["few", "many"],
)
def test_a_killed_run_equals_an_unbroken_one(tmp_path: Path, rows: int, kills: int) -> None:
    crash_driver.run(tmp_path / "unbroken", rows, ToyResponder())
    expected = sorted((tmp_path / "unbroken" / "main.jsonl").read_bytes().splitlines())
    total = (tmp_path / "unbroken" / "main.jsonl").stat().st_size
    draw = random.Random(rows)
    segment = tmp_path / "killed" / "main.jsonl"
    killed = 0
    for moment in sorted(draw.uniform(0.02, 0.95) for _ in range(kills)):
        killed += kill_when(start(tmp_path / "killed", rows), segment, int(moment * total))
    assert killed >= kills // 2, "the runs ended before they were killed"
    assert not kill_when(start(tmp_path / "killed", rows), segment, 10 * total)
    assert sorted(segment.read_bytes().splitlines()) == expected
    with Ledger(tmp_path / "killed") as ledger:
        assert len(ledger) == len(expected)
        outcomes = {part.row: len(part.data["decisions"]) for part in ledger.parts("outcome")}
    assert outcomes == {row.id: 3 for row in make_rows(rows)}
