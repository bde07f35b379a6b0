"""How long an answer takes: `python benchmarks/latency.py [--runs 9] [--model M] [--threads N] [--json]`.

Times are medians of warm calls; what compares two ways of asking is a ratio, both sides measured in turn in this
process, so that it holds when the machine's speed drifts. The cold command is a new process, start to end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

import instructsam
from instructsam.inference.segmenter import Segmenter
from instructsam.inference.threads import use_threads

EIGHT = (
    "the mugs that are not blue",
    "fruit",
    "the small red mug",
    "everything left of the orange glass",
    "the blue mug",
    "the leftmost mug",
    "small things",
    "the banana and the apple",
)
CHILD = (
    "import resource, runpy, sys; sys.argv = ['instructsam', *sys.argv[1:]]\n"
    "try: runpy.run_module('instructsam', run_name='__main__')\n"
    "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
)


def examples() -> Path:
    """The shipped scenes."""
    return Path(str(files("instructsam") / "assets" / "examples"))


def alternate(runs: int, sides: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Seconds of each side, the sides called in turn after one warm-up of each."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for call in sides.values():
        call()
    for _ in range(runs):
        for name, call in sides.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def warm(segmenter: Segmenter, runs: int) -> dict[str, Any]:
    """Warm calls: one instruction each way, eight instructions on one image, eight images in a batch."""
    picture = str(examples() / "breakfast.png")
    pictures = [str(path) for path in sorted(examples().glob("*.png"))]
    pictures = (pictures * 2)[:8]
    sides: dict[str, Callable[[], Any]] = {
        "one, direct": lambda: segmenter.segment(picture, EIGHT[0], mode="direct"),
        "one, generate": lambda: segmenter.segment(picture, EIGHT[0], mode="generate"),
        "8 instructions on one image, direct": lambda: segmenter.segment(picture, list(EIGHT), mode="direct"),
        "8 instructions on one image, generate": lambda: segmenter.segment(
            picture, list(EIGHT), mode="generate"
        ),
        "8 images, one instruction each, direct": lambda: segmenter.segment(
            pictures, list(EIGHT), mode="direct"
        ),
        "8 images one by one, direct": lambda: [
            segmenter.segment(path, text, mode="direct") for path, text in zip(pictures, EIGHT, strict=True)
        ],
    }
    seconds = alternate(runs, sides)
    one = {mode: seconds[f"one, {mode}"] for mode in ("direct", "generate")}

    def ratio(name: str, base: list[float]) -> float:
        return statistics.median(a / b for a, b in zip(seconds[name], base, strict=True))

    return {
        "median milliseconds": {name: round(1e3 * statistics.median(s), 1) for name, s in seconds.items()},
        "ratios, pair by pair": {
            "generate / direct": round(ratio("one, generate", one["direct"]), 2),
            "8 instructions on one image / one, direct": round(
                ratio("8 instructions on one image, direct", one["direct"]), 2
            ),
            "8 instructions on one image / one, generate": round(
                ratio("8 instructions on one image, generate", one["generate"]), 2
            ),
            "8 images batched / one by one": round(
                ratio("8 images, one instruction each, direct", seconds["8 images one by one, direct"]), 2
            ),
        },
    }


def cold(runs: int, model: str | None, threads: int | None) -> dict[str, float]:
    """The whole command in a new process: median seconds and peak memory in MB."""
    seconds, peaks = [], []
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable,
            "-c",
            CHILD,
            "segment",
            str(examples() / "breakfast.png"),
            EIGHT[0],
            "--out",
            out,
        ]
        command += ["--model", model] if model else []
        command += ["--threads", str(threads)] if threads else []
        for _ in range(runs):
            start = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds.append(time.perf_counter() - start)
            peaks.append(int(done.stderr.split()[-1]) / 1024)
    return {"median seconds": round(statistics.median(seconds), 2), "peak MB": round(max(peaks))}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--model", default=None)
    parser.add_argument("--threads", type=int, default=None, help="as the commands choose when left out")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    segmenter = instructsam.load(arguments.model, device="cpu")
    threads = use_threads(arguments.threads, segmenter.num_parameters)
    report: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores {platform.machine()}, torch {torch.__version__}, "
        f"{threads} threads",
        "cold command": cold(max(1, arguments.runs // 3), arguments.model, arguments.threads),
        **warm(segmenter, arguments.runs),
        "peak MB of this process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    if arguments.json:
        print(json.dumps(report, indent=2))
        return
    for name, value in report.items():
        if not isinstance(value, dict):
            print(f"{name}: {value}")
            continue
        print(name)
        for key, number in value.items():
            print(f"  {key:45s} {number:>9}")


if __name__ == "__main__":
    main()
