"""A scripted model and a scripted format, importable by worker processes."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from instructsam.errors import ImageError, InputError
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.options import ExportOptions
from instructsam.exports.writer import FileWriter
from instructsam.inference.jobs import ImageJob
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction, Status

if TYPE_CHECKING:
    from instructsam.inference.jobs import JobResult


@dataclass
class FakeModel:
    """Finds the left half of every image for "left", the left two thirds for "most", nothing for other words.

    Scores depend on the batch, so that a changed batch shows in the results. An image 13 px wide is refused; one of
    17 px kills the process.

    Args:
        delay: seconds per call.
        calls: file that gets one line per call: the number of jobs and the instructions.
    """

    delay: float = 0.0
    calls: Path | None = None
    fingerprint: str = "0123456789ab"
    score_threshold: float = 0.3
    default_mode: str = "direct"

    def segment_jobs(self, jobs: Sequence[ImageJob], **_: Any) -> list[JobResult]:
        time.sleep(self.delay)
        if self.calls is not None:
            with self.calls.open("a") as stream:
                texts = jobs[0].instructions
                stream.write(json.dumps([os.getpid(), len(jobs), texts]) + "\n")
        return [self._job(job, len(jobs)) for job in jobs]

    def _job(self, job: ImageJob, together: int) -> JobResult:
        image = job.image.image
        if image.width == 13:
            return ImageError("13 pixels are unlucky")
        if image.width == 17:
            os.kill(os.getpid(), signal.SIGKILL)
        if "too long" in job.instructions:
            return InputError("the instruction is too long")
        return [self._answer(image, text, together) for text in job.instructions]

    @staticmethod
    def _answer(image: Image.Image, text: str, together: int) -> Prediction:
        height, width = image.height, image.width
        share = {"left": 2, "most": 3}.get(text.split(" ")[0], 0)
        found = Instances.empty(height, width)
        status: Status = "no_target"
        if share:
            end = max(1, width * (share - 1) // share)
            masks = np.zeros((1, height, width), np.bool_)
            masks[:, :, :end] = True
            score = np.float32(0.4 + 0.1 * share + 0.001 * together + image.getpixel((0, 0))[0] / 1000)
            box = np.array([[0, 0, end, height]], np.float32)
            found = Instances(masks, box, score.reshape(1), np.zeros(1, np.int64))
            status = "saturated" if text.endswith("saturated") else "ok"
        return Prediction(found, (text,), "", status, text, (height, width), image, mode="direct")


def open_model(delay: float = 0.0, calls: Path | None = None) -> FakeModel:
    return FakeModel(delay, calls)


class Options(ExportOptions):
    """Of the scripted format."""

    word: str = "label"


class LineWriter(FileWriter):
    """One line per instance."""

    def __init__(self, path: Path, options: Options) -> None:
        super().__init__(path)
        self._options = options

    def _add(self, image: LabelledImage) -> None:
        for name, score, area in zip(
            image.labels, image.instances.scores, image.instances.areas, strict=True
        ):
            self._write(f"{image.name} {self._options.word} {name} {score:.6f} {area}\n")

    def _finish(self) -> None:
        self._write("end\n")


def open_writer(path: Path, options: Options) -> LineWriter:
    return LineWriter(path, options)


def make_images(folder: Path, count: int, width: int = 24, height: int = 16) -> list[Path]:
    """Images of different colours."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (width, height), (number % 200, 90, number // 200)).save(path, compress_level=1)
    return paths
