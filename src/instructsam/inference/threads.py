"""Threads of torch on the CPU, and processes that were forked after torch had used several.

`load` and `segment` never change how many threads torch uses: that is a setting of the whole process and stays the
caller's. The commands own their process and choose (docs/benchmarks.md, "Threads").
"""

from __future__ import annotations

import math
import os
import sys
from functools import cache
from pathlib import Path

import torch

from instructsam.errors import InstructSAMError

SMALL = 100_000_000  # parameters; below it a second thread costs more than it gains where cores are shared
CHOSEN_BY_USER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")

_ran_in_parallel = False  # this process has loaded a model or answered with several threads
_forked_after = False  # this process was forked from one that had


def use_threads(wanted: int | None, num_parameters: int) -> int:
    """Set the number of threads of torch in this process, for the commands.

    Args:
        wanted: the user's number; None: the environment's number, else 1 for a small model and one per core for a
            larger one, at most the cores that a container may use.
        num_parameters: of the model.

    Returns:
        The number set.
    """
    usual = torch_threads()
    if wanted is not None:
        count = wanted
    elif any(os.environ.get(name) for name in CHOSEN_BY_USER):
        count = usual
    else:
        count = 1 if num_parameters <= SMALL else min(usual, usable_cores())
    torch.set_num_threads(count)
    return count


@cache
def torch_threads() -> int:
    """Threads of torch at the first call: the environment's number or the physical cores."""
    return torch.get_num_threads()


def usable_cores(quota_file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores that this process may use: its affinity, and the quota of its container (cgroup v2)."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text(encoding="ascii").split()
        allowed = cores if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup v2 here
        return cores
    return max(1, min(cores, allowed))


def check_process(device: torch.device) -> None:
    """Refuse to load or answer where torch would hang: in a process forked after torch had used several threads.

    GNU OpenMP, which torch's wheels for Linux use, does not survive a fork: the child's first parallel loop hangs.
    With one thread it runs none. Not detected: threads that the parent's own torch code used.

    Raises:
        InstructSAMError: this is such a process.
    """
    global _ran_in_parallel
    if device.type != "cpu" or torch.get_num_threads() == 1:
        return
    if _forked_after and _uses_gnu_openmp():
        raise InstructSAMError(
            f"this process was forked from one that had loaded a model or answered with {torch.get_num_threads()} "
            "torch threads, which hangs: start workers with multiprocessing.get_context('spawn') and load the model in "
            "each, or call torch.set_num_threads(1) first in the forked process"
        )
    _ran_in_parallel = True


@cache
def _uses_gnu_openmp() -> bool:
    try:
        return "libgomp" in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux, where other runtimes are used
        return False


def _after_fork() -> None:
    global _forked_after
    _forked_after = _forked_after or _ran_in_parallel


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_after_fork)
