"""Milliseconds for operations on masks: numpy on pixels beside pycocotools on run-length codes, in one run.

    python benchmarks/masks.py [--runs 15]

Discs, and one picture of noise, where run-length codes are long. "in use" marks the side that the package uses; its
time includes the check of the code.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from instructsam.structures.masks import decode_rle, encode_rle
from instructsam.structures.rle_masks import RleMasks
from instructsam.structures.tables import format_rows

Masks = NDArray[np.bool_]
SIZES = (
    (256, 256, 0.0),
    (480, 640, 0.0),
    (1080, 1920, 0.0),
    (480, 640, 0.05),
)  # height, width, share of noise
PREDICTIONS, TARGETS = 10, 5


def draw(rng: np.random.Generator, height: int, width: int, noise: float) -> Masks:
    """A disc, with some pixels flipped."""
    rows, columns = np.ogrid[:height, :width]
    y, x = rng.uniform(0.3, 0.7, 2) * (height, width)
    disc: Masks = (rows - y) ** 2 + (columns - x) ** 2 < (height / 5) ** 2
    return disc ^ (rng.random((height, width)) < noise)


def encode_by_numpy(mask: Masks) -> NDArray[np.int64]:
    """Run lengths, not yet as text."""
    flat = mask.ravel(order="F")
    return np.diff(np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size])))


def intersect_by_numpy(a: Masks, b: Masks) -> NDArray[np.float32]:
    """Shared pixels of each pair, by one matrix product."""
    first, second = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return first.astype(np.float32) @ second.astype(np.float32).T


def milliseconds(call: Callable[[], Any], runs: int) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def measure(masks: Masks, runs: int) -> dict[str, tuple[float, float]]:
    """(numpy, pycocotools) of each operation."""
    mask, predicted, targets = masks[0], masks[:PREDICTIONS], masks[-TARGETS:]
    code, stored = encode_rle(mask), [encode_rle(one) for one in masks]
    plain = {**code, "counts": code["counts"].encode()}
    size = mask.shape[0], mask.shape[1]
    codes = RleMasks.load(stored, size, "benchmark")
    first, second = codes.head(PREDICTIONS), RleMasks(codes.codes[-TARGETS:], size)

    def time_both(numpy: Callable[[], Any], pycocotools: Callable[[], Any]) -> tuple[float, float]:
        return milliseconds(numpy, runs), milliseconds(pycocotools, runs)

    return {
        "encode": time_both(lambda: encode_by_numpy(mask), lambda: encode_rle(mask)),
        "decode (numpy in use)": time_both(lambda: decode_rle(code), lambda: coco.decode(plain)),
        "intersect 10 x 5": time_both(
            lambda: intersect_by_numpy(predicted, targets), lambda: first.intersection(second)
        ),
        "from codes to 10 x 5": time_both(
            lambda: intersect_by_numpy(
                np.stack([decode_rle(one) for one in stored[:PREDICTIONS]]),
                np.stack([decode_rle(one) for one in stored[-TARGETS:]]),
            ),
            lambda: RleMasks.load(stored[:PREDICTIONS], size, "x").intersection(
                RleMasks.load(stored[-TARGETS:], size, "x")
            ),
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = [["masks", "operation", "numpy, ms", "pycocotools, ms", "ratio"]]
    for height, width, noise in SIZES:
        masks = np.stack([draw(rng, height, width, noise) for _ in range(PREDICTIONS + TARGETS)])
        name = f"{width} x {height}{', 5% noise' if noise else ''}"
        for operation, (numpy, pycocotools) in measure(masks, arguments.runs).items():
            ratio = f"{numpy / pycocotools:.1f}"
            rows.append([name, operation, f"{numpy:.2f}", f"{pycocotools:.2f}", ratio])
            name = ""
    print(format_rows(rows))


if __name__ == "__main__":
    main()
