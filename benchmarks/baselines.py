"""Baselines on one benchmark: `python benchmarks/baselines.py [NAME ...] [--limit 50] [--benchmark NAME] [--json]`.

Each NAME is a model argument of `instructsam evaluate` (docs/baselines.md): a model folder, sam3:FOLDER, oracle:MODEL,
or agent:DETECTOR with --vlm and --vlm-url. Default: the shipped model, and the oracle over its detector. InstructSAM
models run in both modes. Every instruction is a call of its own, so that the latency is that of one answer; the first
is repeated beforehand to warm up.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image

from instructsam.cli.baselines import AnyOpening
from instructsam.data.record import Record
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.benchmarks.names import get_benchmark
from instructsam.evaluation.metrics.registry import METRICS
from instructsam.evaluation.runner import evaluate
from instructsam.structures.answering import AnyAnswerer, takes_records
from instructsam.structures.predictions import Prediction
from instructsam.structures.tables import format_rows

DEFAULT = "default"  # the shipped model, as a name
SCORES = {key: METRICS[key].title for key in ("giou", "set_giou", "ap", "n_acc", "t_acc")}


class Timed:
    """Calls a baseline once per instruction and keeps the seconds of each call."""

    def __init__(self, answerer: Any) -> None:
        self.answerer = answerer
        self.seconds: list[float] = []
        self.score_threshold, self.default_mode = float(answerer.score_threshold), answerer.default_mode
        self.fingerprint, self.calls = answerer.fingerprint, answerer.calls

    def _timed(self, image: Image.Image, call: Callable[[Image.Image], list[Prediction]]) -> list[Prediction]:
        if not self.seconds:
            call(image.copy())
            if self.answerer.calls is not None:
                self.answerer.calls.log.clear()
        picture = (
            image.copy()
        )  # SAM3 keeps the features of its last image, others do not: every call gets a new image
        start = time.perf_counter()
        answers = call(picture)
        self.seconds.append(time.perf_counter() - start)
        return answers


class TimedModel(Timed):
    """For answerers of instructions."""

    def segment(self, image: Image.Image, instructions: list[str], /, **options: Any) -> list[Prediction]:
        """The answers, one call each."""
        found: list[Prediction] = []
        for text in instructions:
            found += self._timed(
                image, lambda seen, text=text: self.answerer.segment(seen, [text], **options)
            )
        return found


class TimedOracle(Timed):
    """For answerers that are given records."""

    def segment_records(
        self, image: Image.Image, records: Sequence[Record], /, *, score_threshold: float
    ) -> list[Prediction]:
        """The answers, one call each."""
        found: list[Prediction] = []
        for record in records:
            found += self._timed(
                image,
                lambda seen, record=record: self.answerer.segment_records(
                    seen, [record], score_threshold=score_threshold
                ),
            )
        return found


def row(
    name: str, answerer: AnyAnswerer, benchmark: Benchmark, limit: int | None, direct: bool
) -> dict[str, Any]:
    """One run: scores, calls per instruction, median milliseconds."""
    timed = TimedOracle(answerer) if takes_records(answerer) else TimedModel(answerer)
    entry = evaluate(timed, benchmark, limit, phrases_given=direct).summary["overall"]
    count = entry["instructions"]
    calls = answerer.calls
    return {
        "baseline": name,
        "instructions": count,
        **{title: entry[key] for key, title in SCORES.items()},
        "VLM calls": round(calls.count("vlm") / count, 2) if calls else 1.0,
        "detector calls": round(calls.count("detector") / count, 2) if calls else 1.0,
        "median ms": round(1e3 * statistics.median(timed.seconds)),
    }


def rows_of(name: str, arguments: argparse.Namespace, benchmark: Benchmark) -> list[dict[str, Any]]:
    """The runs of one name: two of an InstructSAM model, one of a baseline."""
    is_agent = name.startswith("agent:")
    opening = AnyOpening(
        None if name == DEFAULT else name,
        arguments.device,
        vlm=arguments.vlm if is_agent else None,
        vlm_url=arguments.vlm_url if is_agent else None,
    )
    answerer = opening.open_any()
    if opening.parts[0]:
        return [row(name, answerer, benchmark, arguments.limit, direct=False)]
    ways = {"writes its phrases": False, "instruction is the phrase": True}
    return [
        row(f"{name}, {way}", answerer, benchmark, arguments.limit, direct) for way, direct in ways.items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: default oracle:")
    parser.add_argument("--benchmark", default="world/test")
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--vlm", default=None)
    parser.add_argument("--vlm-url", default=None)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    benchmark = get_benchmark(arguments.benchmark)
    rows: list[dict[str, Any]] = []
    for name in arguments.names or [DEFAULT, "oracle:"]:
        rows += rows_of(name, arguments, benchmark)
    machine = f"{os.cpu_count()} cores {platform.machine()}, torch {torch.__version__}, {arguments.device}"
    if arguments.json:
        print(json.dumps({"benchmark": benchmark.name, "machine": machine, "rows": rows}, indent=2))
        return
    print(f"{benchmark.name} on {machine}\n")
    cells = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in one.values()] for one in rows]
    print(format_rows([list(rows[0]), *cells]))


if __name__ == "__main__":
    main()
