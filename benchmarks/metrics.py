"""Seconds to score 10,000 instructions with 5 targets and 10 predictions each, from run-length codes to the table.

    python benchmarks/metrics.py [--instructions 10000] [--height 480 --width 640]

Asked for: 60 s on two cores. One process with one thread is measured.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from typing import Any

import numpy as np

from instructsam.evaluation.metrics.bootstrap import bootstrap_intervals
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.scoring import score_instruction
from instructsam.evaluation.metrics.table import summarise
from instructsam.structures.masks import encode_rle
from instructsam.structures.rle_masks import RleMasks

TARGETS, PREDICTIONS, PICTURES = 5, 10, 40


def draw(
    rng: np.random.Generator, height: int, width: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Five discs; five predictions near them, three duplicates and two elsewhere. As run-length codes."""
    rows, columns = np.ogrid[:height, :width]

    def disc(y: float, x: float, radius: float) -> dict[str, Any]:
        return encode_rle((rows - y) ** 2 + (columns - x) ** 2 <= radius**2)

    spots = [
        (rng.uniform(0, height), rng.uniform(0, width), rng.uniform(8, height / 5)) for _ in range(TARGETS)
    ]
    near = [
        (y + rng.normal(0, r / 8), x + rng.normal(0, r / 8), r * rng.uniform(0.8, 1.2)) for y, x, r in spots
    ]
    away = [(rng.uniform(0, height), rng.uniform(0, width), 20.0) for _ in range(2)]
    predicted = [*near, *near[:3], *away]
    return [disc(*spot) for spot in spots], [disc(*spot) for spot in predicted[:PREDICTIONS]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instructions", type=int, default=10_000)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    arguments = parser.parse_args()
    size = (arguments.height, arguments.width)
    rng = np.random.default_rng(0)
    pictures = [draw(rng, arguments.height, arguments.width) for _ in range(PICTURES)]
    begin = time.perf_counter()
    scores: list[InstructionScore] = []
    for number in range(arguments.instructions):
        targets, predicted = pictures[number % PICTURES]
        answer = RleMasks.load(predicted, size, "prediction")
        truth = RleMasks.load(targets, size, "target")
        ranks = -np.sort(-rng.random(len(answer)))  # stored predictions are ranked
        name = f"{number:06d}"
        scores.append(score_instruction(answer, ranks, truth, id=name, image=name))
    scored = time.perf_counter()
    table = summarise(scores)
    summed = time.perf_counter()
    bootstrap_intervals(scores)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{arguments.instructions} instructions, {TARGETS} targets and {PREDICTIONS} predictions each, "
        f"{arguments.width} x {arguments.height}; Python {platform.python_version()}, numpy {np.__version__}"
    )
    print(f"{'loading and scoring':<24}{scored - begin:7.1f} s")
    print(f"{'tables':<24}{summed - scored:7.1f} s")
    print(f"{'intervals':<24}{done - summed:7.1f} s")
    print(f"{'all':<24}{done - begin:7.1f} s   peak memory {peak:.0f} MB   AP {table['overall']['ap']:.3f}")


if __name__ == "__main__":
    main()
