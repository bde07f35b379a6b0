"""Signals to a run and to its process group, lost workers, full disks, second writers, other settings."""

from __future__ import annotations

import errno
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from instructsam.errors import ConfigError, InputError, InstructSAMError
from instructsam.structures.locks import FolderLock
from instructsam.training import checkpointing, stopping
from instructsam.training.export import export_is_current
from instructsam.training.progress import ProgressLog
from instructsam.training.stopping import StopSignals
from instructsam.training.stream import WorkerLostError
from instructsam.training.trainer import Trainer
from tests.training.conftest import run, tiny

LOST = (
    RuntimeError(
        "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error: Connection reset by peer"
    ),
    torch.distributed.DistNetworkError("Failed to recv, got 0 bytes"),
)
LONG = ("schedule.total_steps=100000", "data.workers=2", "data.images_per_batch=1", "optim.warmup_steps=1")


@pytest.mark.parametrize("error", LOST)
def test_a_lost_process_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def train_step(*_: object) -> None:
        raise error

    monkeypatch.setattr(Trainer, "train_step", train_step)
    with pytest.raises(InstructSAMError, match="another process of this run has ended early"):
        run(None, tiny(tmp_path / "run"))


def test_a_fault_of_the_program_is_not_taken_for_a_lost_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_step(*_: object) -> None:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(Trainer, "train_step", train_step)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        run(None, tiny(tmp_path / "run"))


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    """`instructsam train` as the leader of a process group of its own, two or more steps into the run."""
    config = folder.with_suffix(".yaml")
    config.write_text("")
    words = [sys.executable, "-m", "instructsam", "train", str(config), *tiny(folder, *LONG, *more)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    log = folder / "log.jsonl"
    deadline = time.monotonic() + 120
    while not log.is_file() or len(log.read_text().splitlines()) < 2:
        assert process.poll() is None, process.communicate()[1][-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


def group(number: int) -> list[str]:
    """Live processes of a process group."""
    shown = subprocess.run(
        ["ps", "-eo", "pgid=,pid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in shown.splitlines()]
    return [pid for pgid, pid, state in rows if int(pgid) == number and not state.startswith("Z")]


def wait_until_gone(number: int) -> None:
    deadline = time.monotonic() + 30
    while left := group(number):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "to_group"),
    [(signal.SIGTERM, True), (signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, True)],
)
def test_a_signal_saves_a_checkpoint_and_leaves_no_worker(
    tmp_path: Path, number: int, to_group: bool
) -> None:
    process = start(tmp_path / "run")
    assert len(group(process.pid)) >= 3, "the process and its two workers"
    os.killpg(process.pid, number) if to_group else os.kill(process.pid, number)
    error = process.communicate(timeout=120)[1]
    assert process.returncode == 128 + number, error[-2000:]
    last = error.strip().splitlines()[-1]
    assert last.startswith(f"instructsam: {signal.Signals(number).name} at step ")
    assert last.endswith("repeat the command with --resume")
    assert "Traceback" not in error
    latest = checkpointing.latest_step(tmp_path / "run" / "checkpoints")
    logged = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])["step"]
    assert latest == logged
    checkpointing.read_checkpoint(checkpointing.checkpoint_folder(tmp_path / "run" / "checkpoints", logged))
    wait_until_gone(process.pid)


@pytest.mark.slow
def test_workers_end_with_a_killed_process(tmp_path: Path) -> None:
    process = start(tmp_path / "run")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    wait_until_gone(process.pid)


UNFINISHED = """
from tests.training.conftest import tiny_sizes, tiny_start
from instructsam.experiments.sources import open_source
from instructsam.training.data_settings import DataSettings
from instructsam.training.stream import TrainingBatches, batches

settings = DataSettings(images_per_batch=1, workers=1, world={"short_sides": (64,)})
source = open_source(settings, seed=0, images_per_step=1)
stream = batches(TrainingBatches(source, tiny_start()[1], tiny_sizes(), settings, seed=0), 0, 100)
next(stream)
"""


def test_a_process_ends_though_its_stream_is_not_read_to_the_end() -> None:
    subprocess.run([sys.executable, "-c", UNFINISHED], timeout=100, check=True)


@pytest.mark.slow
def test_a_lost_worker_is_reported_with_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Trainer.train_step

    def train_step(self: Trainer, batch: Any) -> Any:
        if self.step == 1:
            for child in multiprocessing.active_children():
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
        return plain(self, batch)

    monkeypatch.setattr(Trainer, "train_step", train_step)
    more = ("data.workers=1", "data.prefetch=1", "schedule.total_steps=50", "data.images_per_batch=1")
    with pytest.raises(WorkerLostError, match=r"lower data.workers .*--resume"):
        run(None, tiny(tmp_path, *more))
    latest = checkpointing.latest_step(tmp_path / "checkpoints")
    assert latest is not None
    assert latest >= 2


def test_a_repeated_signal_is_one_request_and_a_late_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[int] = []
    before = signal.getsignal(signal.SIGTERM)
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    with StopSignals(reported.append) as stop:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.received, reported) == (signal.SIGTERM, [signal.SIGTERM])
        monkeypatch.setattr(stopping, "ONE_REQUEST", -1.0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, interrupt)
    assert signal.getsignal(signal.SIGTERM) is before
    with StopSignals(reported.append, patient=True):
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)


def test_ignored_signals_stay_ignored_and_threads_change_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with StopSignals(lambda _: None) as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.received
    finally:
        signal.signal(signal.SIGHUP, before)
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            with StopSignals(lambda _: None):
                pass
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert not errors


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("when", ["checkpoint", "export"])
def test_a_full_disk_leaves_what_was_whole(stopped: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    before = (stopped / "last" / "model.safetensors").read_bytes()
    more = ("schedule.total_steps=2",)
    with monkeypatch.context() as patch:
        if when == "checkpoint":
            patch.setattr(checkpointing, "save_file", full)
        else:
            patch.setattr("instructsam.model.instructsam.InstructSAMModel.save_pretrained", full)
        with pytest.raises(
            InstructSAMError, match=r"cannot be written \(No space left on device\).*--resume"
        ):
            run(None, tiny(stopped, *more), resume=True)
    assert not list(stopped.rglob(".writing-*"))
    assert checkpointing.latest_step(stopped / "checkpoints") == (1 if when == "checkpoint" else 2)
    assert (stopped / "last" / "model.safetensors").read_bytes() == before
    run(None, tiny(stopped, *more), resume=True)
    assert export_is_current(stopped)
    assert (stopped / "last" / "model.safetensors").read_bytes() != before


def test_a_log_that_cannot_be_written_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(
        InstructSAMError, match=r"log.jsonl: cannot be written .No space left on device.: make room"
    ):
        ProgressLog(tmp_path / "log.jsonl", 0, 6).write(2, 0, 0.0, {"lr": 0.0})


def test_an_unwritable_destination_is_refused_before_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instructsam.training.trainer.start_model", lambda *_: pytest.fail("loaded"))
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"output_dir .*cannot write there"):
            run(None, tiny(folder))


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("run").mkdir()
    with FolderLock(tmp_path / "run"), pytest.raises(InputError, match="already writing there"):
        run(None, tiny(tmp_path / "run"))
    code = "import sys, pathlib; from instructsam.structures.locks import FolderLock\n"
    code += "with FolderLock(pathlib.Path(sys.argv[1])): print(flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(InputError, match=f"another process is writing there .process {other.pid}"):
        run(None, tiny(tmp_path / "run"))
    other.communicate()
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_only_settings_that_change_no_step_may_change_on_resume(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for change, key, old, new in (
        ("seed=5", "seed", "0", "5"),
        ("data.instructions_per_image=2", "data.instructions_per_image", "3", "2"),
        ("optim.lr=2e-3", "optim.lr", "0.001", "0.002"),
        ("data.source={world: 2}", "data.source", "world", "{world: 2.0}"),
        ("optim.warmup_steps=null", "optim.warmup_steps", "1", "null"),
        ("loss.overrides.weights={score: 3}", "loss.overrides.weights", "not set", "{score: 3}"),
        ("model.overrides.dropout=0.5", "model.overrides.dropout", "not set", "0.5"),
        ("precision=bfloat16", "precision", "float32", "bfloat16"),
    ):
        with pytest.raises(ConfigError) as caught:
            run(None, tiny(stopped, change), resume=True)
        again = f"without {key}" if old == "not set" else f"with {key}={old}"
        assert str(caught.value).startswith(
            f"{key} was {old} in the run in {stopped} and is {new} now: resume {again}, or"
        )
    kept = json.dumps(sorted(path.name for path in (stopped / "checkpoints").iterdir()))
    assert kept == '["step-00000001"]'
    free = (
        "data.workers=1",
        "data.prefetch=3",
        "schedule.log_seconds=1",
        "schedule.keep_checkpoints=3",
        "threads=1",
    )
    run(None, tiny(stopped, *free, "schedule.total_steps=2"), resume=True)
    assert "schedule.total_steps was 6 and is 2 from here on" in capsys.readouterr().err
    assert checkpointing.latest_step(stopped / "checkpoints") == 2


def test_a_closed_terminal_does_not_end_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, _: str) -> int:
            raise BrokenPipeError(errno.EPIPE, "closed")

        def flush(self) -> None:
            raise BrokenPipeError(errno.EPIPE, "closed")

    monkeypatch.setattr(sys, "stderr", Closed())
    log = ProgressLog(tmp_path / "log.jsonl", 0, 6)
    log.write(1, 1, math.pi, {"lr": 1.0})
    log.write(2, 2, math.pi, {"lr": 1.0})
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
