"""Threads of the commands, and processes that were forked after torch had used several."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from instructsam.errors import InstructSAMError
from instructsam.inference import threads
from instructsam.inference.segmenter import Segmenter
from tests.tiny import picture, tiny_pair

FORK = """
import os, signal, sys, torch
torch.set_num_threads(int(sys.argv[1]))
from instructsam.errors import InstructSAMError
from instructsam.inference.loading import load
from instructsam.inference.segmenter import Segmenter
from tests.tiny import picture, tiny_pair
if "load" in sys.argv:
    sys.argv.remove("load")
    segmenter = load(device="cpu")
else:
    segmenter = Segmenter(*tiny_pair())
    segmenter.segment(picture(), "kite")
child = os.fork()
if child == 0:
    signal.alarm(60)
    if len(sys.argv) > 2:
        torch.set_num_threads(int(sys.argv[2]))
    try:
        segmenter.segment(picture(), "kite")
        print("answered", flush=True)
    except InstructSAMError as error:
        print(error, flush=True)
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.fixture(autouse=True)
def same_threads_afterwards() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment, and a machine of eight cores."""
    for name in threads.CHOSEN_BY_USER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "torch_threads", lambda: 8)
    monkeypatch.setattr(threads, "usable_cores", lambda: 6)


@pytest.mark.usefixtures("no_choice")
def test_a_small_model_runs_on_one_thread() -> None:
    assert threads.use_threads(None, 4_000_000) == 1 == torch.get_num_threads()
    assert threads.use_threads(None, 2_000_000_000) == 6 == torch.get_num_threads()
    assert threads.use_threads(3, 4_000_000) == 3 == torch.get_num_threads()


@pytest.mark.usefixtures("no_choice")
def test_the_environment_has_its_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert threads.use_threads(None, 4_000_000) == 8
    assert threads.use_threads(2, 4_000_000) == 2


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000\n", None), ("150000 100000\n", 2), ("50000 100000\n", 1), ("", None), ("1 0", None)],
)
def test_the_quota_of_a_container_counts(tmp_path: Path, quota: str, cores: int | None) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    every = threads.usable_cores(tmp_path / "none")
    assert every >= 1
    assert threads.usable_cores(file) == min(every, cores or every)


def test_segmenting_leaves_the_callers_threads_alone() -> None:
    torch.set_num_threads(2)
    Segmenter(*tiny_pair()).segment(picture(), "kite")
    assert torch.get_num_threads() == 2


def test_a_process_forked_from_a_parallel_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    monkeypatch.setattr(threads, "_uses_gnu_openmp", lambda: True)
    monkeypatch.setattr(threads, "_ran_in_parallel", False)
    monkeypatch.setattr(threads, "_forked_after", False)
    torch.set_num_threads(1)
    threads.check_process(cpu)
    threads._after_fork()
    torch.set_num_threads(2)
    threads.check_process(cpu)  # nothing ran in parallel before
    threads._after_fork()
    with pytest.raises(InstructSAMError, match=r"get_context\('spawn'\).*set_num_threads\(1\)"):
        threads.check_process(cpu)
    threads.check_process(cuda)
    torch.set_num_threads(1)
    threads.check_process(cpu)
    torch.set_num_threads(2)
    monkeypatch.setattr(threads, "_uses_gnu_openmp", lambda: False)
    threads.check_process(cpu)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks with GNU OpenMP")
@pytest.mark.parametrize(
    ("counts", "printed"),
    [
        (["2"], "this process was forked"),
        (["2", "load"], "this process was forked"),
        (["2", "1"], "answered"),
        (["1"], "answered"),
    ],
    ids=" ".join,
)
def test_forked_processes_answer_or_say_why_not(counts: list[str], printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, *counts],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
    )
    assert done.stdout.startswith(printed)
