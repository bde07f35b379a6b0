"""Memory and speed of `instructsam label`: python benchmarks/label.py [--model] [COUNT ...].

Peak memory of a whole run (answers, COCO, review page) over 1,000, 5,000 and 10,000 small images, each in a process of
its own, with a scripted model that costs no time; with `--model` images per second of the shipped default instead.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from instructsam import __version__
from instructsam.cli.main import run
from instructsam.inference import loading
from instructsam.inference.jobs import ImageJob
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction

WORDS = ("-i", "the red mugs", "-i", "the plates")
SIDE = 160


class ScriptedModel:
    """Two instances for each instruction, at once."""

    fingerprint, score_threshold, default_mode, num_parameters = "0" * 12, 0.3, "direct", 1

    def segment_jobs(self, jobs: Sequence[ImageJob], **_: Any) -> list[list[Prediction]]:
        """Instances whose places depend on the image."""
        return [[self._answer(job, text) for text in job.instructions] for job in jobs]

    @staticmethod
    def _answer(job: ImageJob, text: str) -> Prediction:
        image = job.image.image
        offset = image.getpixel((0, 0))[0] // 2
        rows, columns = np.ogrid[: image.height, : image.width]
        masks = np.stack(
            [(rows - centre) ** 2 + (columns - offset) ** 2 < 900 for centre in (50, 50 + len(text) * 4)]
        )
        boxes = np.array([[max(0, offset - 30), 20, offset + 30, 80]] * 2, np.float32)
        scores = np.array([0.9, 0.4 + offset / 1000], np.float32)
        found = Instances(masks, boxes, scores, np.zeros(2, np.int64))
        return Prediction(found, (text,), "", "ok", text, (image.height, image.width), mode="direct")


def make_images(folder: Path, count: int) -> None:
    """JPEG files of noise on a coloured ground."""
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
    for number in range(count):
        pixels = noise + np.uint8([number % 180, 60, number // 180 % 180])
        Image.fromarray(pixels).save(folder / f"{number:06d}.jpg", quality=85)


def measure(count: int, model: bool) -> dict[str, float]:
    """One run in this process: peak memory before and after, in MB, and CPU seconds."""
    if not model:
        loading.load = lambda *_, **__: ScriptedModel()  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_images(folder / "photos", count)
        command = ["label", str(folder / "photos"), *WORDS, "--out", str(folder / "out"), "--format", "coco"]
        start = time.process_time()
        code = run([*command, "--json"])
        seconds = time.process_time() - start
        start = time.process_time()
        code += run([*command, "--nms", "0.5", "--json"])
        again = time.process_time() - start
    if code:
        raise SystemExit(f"label ended with exit code {code}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "images": count,
        "peak_mb": round(peak, 1),
        "seconds": round(seconds, 1),
        "other_nms": round(again, 1),
    }


def main() -> None:
    """Measure each number of images in a new process, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[1000, 5000, 10_000])
    parser.add_argument(
        "--model", action="store_true", help="the shipped default instead of a scripted model"
    )
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print("RESULT " + json.dumps(measure(given.counts[0], given.model)), file=sys.stderr)
        return
    print(f"instructsam {__version__}, {SIDE} x {SIDE} px, 2 classes, COCO and review page")
    for count in given.counts:
        command = [sys.executable, __file__, str(count), "--one", *(["--model"] if given.model else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line for line in done.stderr.splitlines() if line.startswith("RESULT ")]
        if not lines:
            raise SystemExit(done.stderr)
        found = json.loads(lines[-1].removeprefix("RESULT "))
        rate = found["images"] / found["seconds"]
        print(
            f"{found['images']:>7,} images: peak {found['peak_mb']:.0f} MB, {found['seconds']:.1f} s CPU "
            f"({rate:.1f} images/s); other --nms from the log: {found['other_nms']:.1f} s CPU"
        )


if __name__ == "__main__":
    main()
