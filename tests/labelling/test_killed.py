"""Runs whose processes are killed: the resumed run writes the files of a run that was not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.labelling.fakes import make_images

ROOT = Path(__file__).resolve().parents[2]
WORDS = ("-i", "left", "-i", "most saturated", "-i", "nothing", "--format", "lines", "--batch-size", "12")


def start(photos: Path, devices: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """`instructsam label photos ... --out out`, in `folder`, so that command lines are equal."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.labelling.scripted_command", "label", str(photos), *WORDS]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    return subprocess.Popen(
        [*command, "--out", "out", "--devices", devices],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, (process.returncode, out, err)
    return err


def files(folder: Path) -> dict[str, object]:
    """Every file of a labelled folder by its name; of the summary without times."""
    found: dict[str, object] = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("summary.json", ".instructsam.lock")
    }
    summary = json.loads((folder / "summary.json").read_text())
    summary.pop("speed")
    return {**found, "summary.json": summary}


def children(pid: int) -> list[int]:
    """The worker processes of a process: those that multiprocessing spawned."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if int(status[1]) == pid and b"spawn_main" in words:
            found.append(int(entry.name))
    return found


def wait_for(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("devices", ["cpu", "cpu,cpu"])
def test_a_killed_run_resumes_to_the_same_files(tmp_path: Path, devices: str) -> None:
    photos = tmp_path / "photos"
    make_images(photos, 60)
    (photos / "00031.png").write_bytes(b"broken")
    finish(start(photos, devices, tmp_path / "whole"), code=1)
    log = tmp_path / "killed" / "out" / "predictions.jsonl"
    chance = random.Random(5)
    kills = 0
    for _ in range(8):
        process = start(photos, devices, tmp_path / "killed", SCRIPTED_DELAY="0.05")
        before = log.stat().st_size if log.exists() else 0
        wait_for(lambda: process.poll() is not None or (log.exists() and log.stat().st_size > before))  # noqa: B023
        time.sleep(chance.random() * 0.15)
        workers = children(process.pid)
        process.kill()
        process.communicate(timeout=60)
        kills += process.returncode == -signal.SIGKILL
        wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers))  # noqa: B023
        if kills == 2:  # as if the machine had stopped while it wrote
            with log.open("r+b") as stream:
                stream.truncate(log.stat().st_size - 700)
    assert kills > 2
    finish(start(photos, devices, tmp_path / "killed"), code=1)
    assert files(tmp_path / "killed" / "out") == files(tmp_path / "whole" / "out")


@pytest.mark.slow
def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    make_images(photos, 60)
    finish(start(photos, "cpu,cpu", tmp_path / "whole"))
    process = start(photos, "cpu,cpu", tmp_path / "killed", SCRIPTED_DELAY="0.2")
    log = tmp_path / "killed" / "out" / "predictions.jsonl"
    for _ in range(3):
        size = log.stat().st_size if log.exists() else 0
        wait_for(lambda: log.exists() and log.stat().st_size > size and children(process.pid))  # noqa: B023
        os.kill(children(process.pid)[-1], signal.SIGKILL)
    finish(process)
    assert files(tmp_path / "killed" / "out") == files(tmp_path / "whole" / "out")


@pytest.mark.slow
def test_an_image_that_ends_its_process_is_reported(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    make_images(photos, 12)
    Image.new("RGB", (17, 9)).save(photos / "00005.png")
    err = finish(start(photos, "cpu,cpu", tmp_path / "run"), code=1)
    assert "00005.png: the process that segmented it ended 2 times (killed by signal 9 (SIGKILL))" in err
    lines = (tmp_path / "run" / "out" / "lines.txt").read_text().splitlines()
    assert len(lines) == 11 * 2 + 1


@pytest.mark.slow
def test_workers_that_keep_dying_stop_the_run(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    make_images(photos, 20, width=17)
    err = finish(start(photos, "cpu,cpu", tmp_path / "run"), code=2)
    assert "processes ended in a row without an answer" in err


@pytest.mark.slow
def test_ctrl_c_ends_the_run_and_its_workers(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    make_images(photos, 60)
    process = start(photos, "cpu,cpu", tmp_path / "run", SCRIPTED_DELAY="0.2")
    log = tmp_path / "run" / "out" / "predictions.jsonl"
    wait_for(lambda: log.exists() and log.stat().st_size > 0)
    workers = children(process.pid)
    assert workers
    process.send_signal(signal.SIGINT)
    err = finish(process, code=130)
    assert "repeat the command to resume" in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
