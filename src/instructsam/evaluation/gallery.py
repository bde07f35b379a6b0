"""The best and the worst answers of a run as pictures: what was meant on the left, what was answered on the right."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.record import Record
from instructsam.evaluation.benchmark import Benchmark
from instructsam.evaluation.predictions import StoredPrediction
from instructsam.evaluation.runner import target_masks
from instructsam.evaluation.scores import InstructionScore
from instructsam.structures.drawing import PALETTE

COUNT = 24
_PANEL = 240  # px
_FILL = 0.5
_GAP = 4


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
    """By set gIoU; among equals those with more targets come first. No instruction is in both."""
    best = sorted(scores, key=lambda s: (-s.set_giou, -s.num_targets, s.id))
    worst = sorted(scores, key=lambda s: (s.set_giou, s.giou, -s.num_targets, s.id))
    half = len(scores) // 2
    return best[: min(count, len(scores) - half)], worst[: min(count, half)]


def draw_answers(
    benchmark: Benchmark,
    stored: Mapping[str, StoredPrediction],
    wanted: Sequence[InstructionScore],
    threshold: float,
) -> dict[str, Shown]:
    """The wanted answers by id; the benchmark's pictures are gone through until all are found."""
    left = {score.id: score for score in wanted if score.id in stored}
    found: dict[str, Shown] = {}
    if not left:
        return found
    for image, record in benchmark.iterate():
        if record.id in left:
            score = left.pop(record.id)
            found[record.id] = _shown(image, record, stored[record.id], score, threshold)
        if not left:
            break
    return found


def _shown(
    image: Image.Image, record: Record, item: StoredPrediction, score: InstructionScore, threshold: float
) -> Shown:
    kept = [n for n, value in enumerate(item.scores) if value >= threshold]
    panels = [_paint(image, target_masks(record)), _paint(image, item.decode_masks()[kept])]
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


def _paint(image: Image.Image, masks: NDArray[np.bool_]) -> Image.Image:
    """The picture with translucent masks, small."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32).copy()
    for number, mask in enumerate(masks):
        color = np.array(PALETTE[number % len(PALETTE)], dtype=np.float32)
        pixels[mask] = (1 - _FILL) * pixels[mask] + _FILL * color
    height = max(1, round(image.height * _PANEL / image.width))
    return Image.fromarray(pixels.astype(np.uint8)).resize((_PANEL, height))
