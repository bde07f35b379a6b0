"""What an overlay costs beside its answer: `python benchmarks/overlay.py [--megapixels 1 24]`.

CPU seconds (all threads) of `segment` on a picture in memory, and of `Prediction.save` (drawing and encoding), the
sides in turn in one process. Each picture is a shipped scene enlarged, with noise as a camera's, which PNG packs badly.
Exit status 1 when saving the default overlay cost more than answering.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import instructsam
from instructsam.images.loader import load_image
from instructsam.inference.segmenter import Segmenter
from instructsam.structures.predictions import Prediction

QUESTIONS: tuple[dict[str, Any], ...] = (
    {"instruction": "the mugs", "score_threshold": 1.0},  # nothing is found
    {"instruction": "the mugs"},
    {"instruction": "everything"},
)
SIDES: dict[str, dict[str, Any]] = {"png": {}, "jpg": {}, "webp": {}, "jpg, full size": {"max_pixels": None}}


def photo(megapixels: float) -> Image.Image:
    """A shipped scene at 3:2 with this many million pixels and noise of 4 grey levels."""
    scene = Path(str(files("instructsam") / "assets" / "examples" / "breakfast.png"))
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    pixels = np.asarray(load_image(scene).image.resize((round(1.5 * height), height)), dtype=np.int16)
    noise = np.random.default_rng(0).normal(0, 4, (*pixels.shape[:2], 1)).astype(np.int16)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def cpu_seconds(call: Callable[[], Any]) -> float:
    """CPU time of one call, over all threads of this process."""
    start = time.process_time()
    call()
    return time.process_time() - start


def measure(segmenter: Segmenter, image: Image.Image, question: dict[str, Any], runs: int) -> dict[str, Any]:
    """Instances, median CPU seconds of each side, and png / answer."""
    found: list[Prediction] = []
    seconds: dict[str, list[float]] = {"answer": [], **{name: [] for name in SIDES}}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            seconds["answer"].append(cpu_seconds(lambda: found.append(segmenter.segment(image, **question))))
            for name, options in SIDES.items():
                path = Path(folder) / f"overlay.{name.split(',')[0]}"
                seconds[name].append(cpu_seconds(partial(found[-1].save, path, **options)))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    row = {"megapixels": round(image.width * image.height / 1e6, 2), "instances": len(found[-1].instances)}
    row |= {name: round(value, 3) for name, value in medians.items()}
    return {**row, "png / answer": round(medians["png"] / medians["answer"], 2)}


def main() -> int:
    """Measure and print; 1 when an overlay cost more than its answer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 12, 24, 48])
    parser.add_argument("--model", default=None)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    segmenter = instructsam.load(given.model, device="cpu")
    segmenter.segment(photo(0.1), "the mugs").overlay()  # loaded and warm
    rows = []
    for image in map(photo, given.megapixels):
        rows += [measure(segmenter, image, question, given.runs) for question in QUESTIONS]
    if given.json:
        print(json.dumps(rows, indent=2))
    else:
        print("  ".join(f"{name:>14s}" for name in rows[0]))
        for row in rows:
            print("  ".join(f"{value:>14}" for value in row.values()))
    return int(any(row["png / answer"] > 1 for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
