"""The best and the worst answers of a run as images: the targets on the left, the answer on the right."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.record import Record
from instructsam.data.targets import target_masks
from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.runs.stored_prediction import StoredPrediction
from instructsam.visualization.overlay import draw_focus
from instructsam.visualization.patches import cut_patches, fit

COUNT = 24
_PANEL = 240  # px
_LINE = 2  # px
_GAP = 4
_TALLEST = 6  # height of a panel over its width


@dataclass(frozen=True)
class Shown:
    """One answer in the gallery: its score, words, and a JPEG as base64 text."""

    score: InstructionScore
    instruction: str
    answer: str
    picture: str


def best_and_worst(
    scores: Sequence[InstructionScore], count: int = COUNT
) -> tuple[list[InstructionScore], list[InstructionScore]]:
    """By set gIoU. Among the best, found targets come before silence that is right; no instruction is in both."""
    best = sorted(scores, key=lambda s: (not _found(s), -s.set_giou, -s.num_targets, s.id))
    best = best[: min(count, (len(scores) + 1) // 2)]
    taken = {score.id for score in best}
    rest = [score for score in scores if score.id not in taken]
    return best, sorted(rest, key=lambda s: (s.set_giou, s.giou, -s.num_targets, s.id))[:count]


def _found(score: InstructionScore) -> bool:
    return score.num_targets > 0 and score.set_giou >= 0.5


def draw_answers(
    benchmark: Benchmark,
    stored: Mapping[str, StoredPrediction],
    wanted: Sequence[InstructionScore],
    threshold: float,
) -> dict[str, Shown]:
    """The wanted answers by id; the benchmark's images are read until all are found."""
    left = {score.id: score for score in wanted if score.id in stored}
    found: dict[str, Shown] = {}
    if not left:
        return found
    for image, record in benchmark.load():
        if record.id in left:
            score = left.pop(record.id)
            if isinstance(image, InputError):  # unanswered for that
                continue
            found[record.id] = _shown(image, record, stored[record.id], score, threshold)
        if not left:
            break
    return found


def _shown(
    image: Image.Image, record: Record, item: StoredPrediction, score: InstructionScore, threshold: float
) -> Shown:
    kept = [n for n, value in enumerate(item.scores) if value >= threshold]
    shown = (target_masks(record), item.decode_masks()[kept])
    panels = [_paint(*_squat(image, masks)) for masks in shown]
    width, height = panels[0].size
    sheet = Image.new("RGB", (2 * width + _GAP, height), "white")
    for number, panel in enumerate(panels):
        sheet.paste(panel, (number * (width + _GAP), 0))
    stream = io.BytesIO()
    sheet.save(stream, "JPEG", quality=80)
    return Shown(
        score,
        record.instruction,
        ", ".join(item.phrases),
        base64.b64encode(stream.getvalue()).decode("ascii"),
    )


def _squat(image: Image.Image, masks: NDArray[np.bool_]) -> tuple[Image.Image, NDArray[np.bool_]]:
    """A very tall image with fewer rows: a panel has a fixed width, and its height is bounded."""
    most = _TALLEST * image.width
    if image.height <= most:
        return image, masks
    rows = np.linspace(0, image.height - 1, most).astype(np.int64)
    return Image.fromarray(np.asarray(image.convert("RGB"))[rows]), masks[:, rows]


def _paint(image: Image.Image, masks: NDArray[np.bool_]) -> Image.Image:
    """The image at the width of a panel; pixels inside the masks keep their colours."""
    size = (_PANEL, max(1, round(image.height * _PANEL / image.width)))
    return draw_focus(fit(image, size), cut_patches(masks, size), range(len(masks)), _LINE)
