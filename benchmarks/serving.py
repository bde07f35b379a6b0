"""Many clients at the server, against calling the segmenter in a loop: `python benchmarks/serving.py [--seconds 120]`.

Starts `instructsam serve` and lets clients send one request after the other, with images of mixed sizes. The same
requests are answered by `Segmenter.segment` in a loop, in turn with the server, since a machine's speed drifts.
`--parts` shows what sharing encodings, the cache and batches each bring, without HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import torch
from PIL import ImageEnhance

import instructsam
from instructsam.images.loader import load_bytes, load_image
from instructsam.inference.feature_cache import FeatureCache
from instructsam.inference.jobs import ImageJob
from instructsam.inference.segmenter import Segmenter
from instructsam.serving.answers import prediction_json

TEXTS = (
    "the mugs that are not blue",
    "fruit",
    "the small red mug",
    "everything left of the orange glass",
    "the blue mug",
    "the leftmost mug",
    "small things",
    "the banana and the apple",
)
SIZES = ((256, 256), (640, 480), (480, 640), (1024, 768), (1600, 1200))
CACHE_BYTES = 256 * 2**20


def pictures(count: int) -> list[bytes]:
    """Files of different content: the shipped scenes in mixed sizes, every third a PNG."""
    scenes = sorted(Path(str(files("instructsam") / "assets" / "examples")).glob("*.png"))
    made = []
    for number in range(count):
        image = load_image(scenes[number % len(scenes)]).image
        image = ImageEnhance.Brightness(image.resize(SIZES[number % len(SIZES)])).enhance(
            1 - 0.001 * (number // len(scenes))
        )
        content = io.BytesIO()
        image.save(content, "PNG" if number % 3 == 0 else "JPEG", quality=90)
        made.append(content.getvalue())
    return made


@dataclass
class Load:
    """What the clients saw.

    Attributes:
        latencies: seconds of each answer.
        errors: status or exception -> count.
        memory: megabytes of the server, each second.
        rates: answers per second of each slice.
        seconds: of all slices.
    """

    latencies: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def fail(self, reason: str) -> None:
        """Count an error."""
        self.errors[reason] = self.errors.get(reason, 0) + 1

    def percentile(self, share: float) -> float:
        """Seconds that this share of the answers took at most."""
        ordered = sorted(self.latencies)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


@contextmanager
def server(options: list[str]) -> Iterator[tuple[str, int]]:
    """`instructsam serve` on a free port: its URL and process id."""
    command = [sys.executable, "-m", "instructsam", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = "" if process.stdout is None else process.stdout.readline()
        url = line.rsplit(" ", 1)[-1].strip()
        while httpx.get(f"{url}/ready").status_code != 200:
            time.sleep(0.2)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(60)


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, of all its threads."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


async def send_load(url: str, pid: int, given: argparse.Namespace, content: list[bytes], load: Load) -> None:
    """Let all clients send requests for a slice of the time; it ends with the last answer."""
    start = time.perf_counter()
    end = start + given.seconds / given.slices
    limits = httpx.Limits(max_connections=given.clients)
    before = len(load.latencies)

    async def client(number: int, http: httpx.AsyncClient) -> None:
        chance = random.Random(number)
        while time.perf_counter() < end:
            texts = chance.sample(TEXTS, given.instructions)
            began = time.perf_counter()
            try:
                response = await http.post(
                    f"{url}/v1/segment",
                    files={"image": chance.choice(content)},
                    data={"instructions": texts},
                )
            except httpx.HTTPError as error:
                load.fail(type(error).__name__)
                continue
            if response.status_code != 200:
                load.fail(str(response.status_code))
            elif len(response.json()["predictions"]) != given.instructions:
                load.fail("wrong number of predictions")
            else:
                load.latencies.append(time.perf_counter() - began)

    async def watch() -> None:
        while time.perf_counter() < end:
            load.memory.append(resident_mb(pid))
            await asyncio.sleep(1)

    async with httpx.AsyncClient(timeout=120, limits=limits) as http:
        await asyncio.gather(watch(), *(client(number, http) for number in range(given.clients)))
    seconds = time.perf_counter() - start
    load.seconds += seconds
    load.rates.append((len(load.latencies) - before) / seconds)


def loop_rate(
    segmenter: Segmenter, content: list[bytes], given: argparse.Namespace, seconds: float
) -> tuple[float, float]:
    """Requests per second, and per CPU second, of a loop that does the same: decode, segment, write JSON."""
    chance, start, cpu, count = random.Random(0), time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < seconds:
        image = load_bytes(chance.choice(content), "image").image
        found = segmenter.segment(image, chance.sample(TEXTS, given.instructions))
        json.dumps([prediction_json(prediction) for prediction in found])
        count += 1
    return count / (time.perf_counter() - start), count / (time.process_time() - cpu)


def server_counts(url: str) -> dict[str, float]:
    """The counters of the server that explain its speed."""
    wanted = ("cache_hits_total", "cache_misses_total", "batch_images_sum", "batch_images_count",
              "batch_instructions_sum", "batch_seconds_sum", "queue_seconds_sum", "cache_bytes")  # fmt: skip
    found: dict[str, float] = {}
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        name, _, value = line.rpartition(" ")
        plain = name.partition("{")[0].removeprefix("instructsam_")
        if plain in wanted:
            found[plain] = found.get(plain, 0.0) + float(value)
    return found


def under_load(given: argparse.Namespace) -> dict[str, Any]:
    """The server and the loop, on the same requests."""
    content = pictures(given.images)
    options = ["--max-batch", str(given.max_batch), "--cache-bytes", str(given.cache_bytes)]
    options += ["--devices", given.devices] if given.devices else []
    segmenter = instructsam.load()
    torch.set_num_threads(given.loop_threads)
    load, rates = Load(), []
    with server(options) as (url, pid):
        rates.append(loop_rate(segmenter, content, given, given.loop_seconds))
        started = cpu_seconds(pid)
        for _ in range(given.slices):
            asyncio.run(send_load(url, pid, given, content, load))
            rates.append(loop_rate(segmenter, content, given, given.loop_seconds))
        used = cpu_seconds(pid) - started
        counts = server_counts(url)
    pairs = itertools.pairwise(rate for rate, _ in rates)
    ratios = [rate / statistics.mean(pair) for rate, pair in zip(load.rates, pairs, strict=True)]
    loop_cpu = 1 / statistics.mean(rate for _, rate in rates)
    memory = load.memory
    quarter = max(len(memory) // 4, 1)
    return {
        "requests": len(load.latencies),
        "errors": load.errors,
        "requests per second, of each slice": [round(rate, 2) for rate in load.rates],
        "loop, between the slices": [round(rate, 2) for rate, _ in rates],
        "ratio, median of the slices": round(statistics.median(ratios), 2),
        "CPU ms per request, server (one process) and loop": [
            round(1000 * used / max(len(load.latencies), 1)),
            round(1000 * loop_cpu),
        ],
        "p50 s": round(load.percentile(0.5), 2),
        "p95 s": round(load.percentile(0.95), 2),
        "memory MB, median of each quarter": [
            round(statistics.median(memory[first : first + quarter]))
            for first in range(0, 4 * quarter, quarter)
        ],
        "memory MB, most": round(max(memory)),
        "images per batch": round(counts["batch_images_sum"] / counts["batch_images_count"], 2),
        "instructions per batch": round(counts["batch_instructions_sum"] / counts["batch_images_count"], 2),
        "cache hits": round(
            counts["cache_hits_total"] / max(counts["cache_hits_total"] + counts["cache_misses_total"], 1), 2
        ),
        "share of the time in batches": round(counts["batch_seconds_sum"] / load.seconds, 2),
    }


def parts(given: argparse.Namespace) -> dict[str, Any]:
    """CPU milliseconds per request of each part alone: sixteen requests about eight images, in this process."""
    torch.set_num_threads(1)
    segmenter = instructsam.load()
    loaded = [(load_bytes(one, "image"), sha256(one).hexdigest()) for one in pictures(8)]
    asked = [(*loaded[number % 8], TEXTS[(3 * number) % 8]) for number in range(16)]
    shared = [ImageJob(image, (text,), key=key) for image, key, text in asked]
    apart = [ImageJob(image, (text,), key=f"{key} {n}") for n, (image, key, text) in enumerate(asked)]
    cache = FeatureCache(CACHE_BYTES)
    sides: dict[str, Callable[[], Any]] = {
        "a loop over segment": lambda: [segmenter.segment(image.image, text) for image, _, text in asked],
        "batches": lambda: segmenter.segment_jobs(apart),
        "batches that share encodings": lambda: segmenter.segment_jobs(shared),
        "the cache alone": lambda: [segmenter.segment_jobs([job], cache=cache) for job in shared],
        "batches and the cache": lambda: segmenter.segment_jobs(shared, cache=cache),
    }
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(given.runs + 1):
        for name, call in sides.items():
            start = time.process_time()
            call()
            if turn:  # the first ones warm up
                taken[name].append(time.process_time() - start)
    loop = taken["a loop over segment"]
    return {
        name: {
            "ms": round(1000 * statistics.median(values) / len(asked), 1),
            "times as fast": round(statistics.median(a / b for a, b in zip(loop, values, strict=True)), 2),
        }
        for name, values in taken.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument(
        "--images", type=int, default=16, help="that differ; more than the cache holds: all new"
    )
    parser.add_argument("--instructions", type=int, default=1, help="of each request")
    parser.add_argument("--max-batch", type=int, default=8)
    parser.add_argument("--cache-bytes", type=int, default=CACHE_BYTES)
    parser.add_argument("--devices", help="as of `instructsam serve`")
    parser.add_argument("--loop-seconds", type=float, default=10, help="of the loop, each time")
    parser.add_argument("--slices", type=int, default=4, help="of the time; the loop runs between them")
    parser.add_argument("--loop-threads", type=int, default=1, help="of torch in the loop")
    parser.add_argument("--parts", action="store_true", help="measure the parts, without a server")
    parser.add_argument("--runs", type=int, default=5, help="of each part")
    given = parser.parse_args()
    print("python benchmarks/serving.py", *sys.argv[1:])
    print(json.dumps(parts(given) if given.parts else under_load(given), indent=2))


if __name__ == "__main__":
    main()
