"""Masks of a few bars and boxes, and COCO's own evaluator to compare with."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.scoring import score_instruction
from instructsam.structures.masks import encode_rle

Masks = NDArray[np.bool_]
Case = tuple[Masks, NDArray[np.float64], Masks]


def bars(*spans: tuple[int, int], width: int = 100) -> Masks:
    """One-row masks [N, 1, width]; each covers the columns of one span."""
    masks = np.zeros((len(spans), 1, width), dtype=np.bool_)
    for index, (start, stop) in enumerate(spans):
        masks[index, 0, start:stop] = True
    return masks


def score(predicted: Masks, confidence: list[float], targets: Masks, **names: Any) -> InstructionScore:
    """One instruction's score."""
    return score_instruction(predicted, np.array(confidence), targets, **names)


def random_cases(seed: int, count: int, max_predictions: int = 9) -> list[Case]:
    """Boxes near each other with tied scores; some images without predictions, targets, or both."""
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(count):
        targets = random_boxes(rng, int(rng.integers(0, 5)))
        near = [
            np.roll(targets[i % len(targets)], rng.integers(-2, 3, 2), (0, 1))
            for i in range(4)
            if len(targets)
        ]
        predicted = np.concatenate(
            [random_boxes(rng, int(rng.integers(0, max_predictions - 3))), *(m[None] for m in near)]
        )
        predicted = predicted[: rng.integers(0, len(predicted) + 1)]
        cases.append((predicted, np.round(rng.random(len(predicted)), 1), targets))
    return cases


def random_boxes(rng: np.random.Generator, count: int) -> Masks:
    masks = np.zeros((count, 24, 28), dtype=np.bool_)
    for mask in masks:
        y, x = rng.integers(0, 18, 2)
        mask[y : y + rng.integers(3, 12), x : x + rng.integers(3, 12)] = True
    return masks


def coco_ap(cases: list[Case], crowds: Sequence[Masks] | None = None) -> list[float]:
    """pycocotools' AP, AP50, AP75, AP small, medium, large; one image per instruction and one category."""
    height, width = cases[0][0].shape[1:]
    images = [{"id": index + 1, "height": height, "width": width} for index in range(len(cases))]
    annotations: list[dict[str, Any]] = []
    detections = []
    for index, (predicted, confidence, targets) in enumerate(cases):
        regions = [] if crowds is None else list(crowds[index])
        for mask, crowd in [*((m, 0) for m in targets), *((m, 1) for m in regions)]:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index + 1,
                    "category_id": 1,
                    "iscrowd": crowd,
                    "area": int(mask.sum()),
                    "segmentation": encode_rle(mask),
                    "bbox": [0, 0, 1, 1],
                }
            )
        for mask, value in zip(predicted, confidence, strict=True):
            rle = encode_rle(mask)
            detections.append({"image_id": index + 1, "category_id": 1, "segmentation": rle, "score": value})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "x"}]}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(detections), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(v) for v in evaluation.stats[:6]]
