"""A benchmark of a few bars, and segmenters that know the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record, write_records
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.structures.instances import Instances
from instructsam.structures.masks import decode_rle, encode_rle, mask_boxes_xyxy
from instructsam.structures.predictions import Prediction

HEIGHT, WIDTH = 20, 40


def bar(column: int) -> NDArray[np.bool_]:
    """bool [H, W], four columns wide."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    mask[4:12, column : column + 4] = True
    return mask


def make_record(
    name: str, image: str, instruction: str, groups: list[list[int]], family: str = "bars"
) -> Record:
    """A record whose phrase i has bars at the columns groups[i]."""
    phrases = tuple(
        PhraseRecord(
            f"phrase {index}",
            tuple(InstanceRecord(encode_rle(bar(c)), (float(c), 4.0, 4.0, 8.0)) for c in columns),
        )
        for index, columns in enumerate(groups)
    )
    return Record(name, ImageRef(image, HEIGHT, WIDTH), instruction, phrases, family)


RECORDS = (
    make_record("r1", "one.png", "the first bar", [[2]]),
    make_record("r2", "one.png", "the bars, and separately the last", [[2, 10], [30]], "several"),
    make_record("r3", "one.png", "the circles", [[]]),
    make_record("r4", "two.png", "both bars", [[6, 20]]),
    make_record("r5", "two.png", "no squares", [[]], "none"),
)


def toy_benchmark(records: tuple[Record, ...] = RECORDS) -> Benchmark:
    """The records above with grey pictures."""

    def source(limit: int | None) -> Iterator[tuple[Image.Image, Record]]:
        for record in records[:limit]:
            yield Image.new("RGB", (WIDTH, HEIGHT), "gray"), record

    return Benchmark("toy", source)


class Oracle:
    """Knows every answer; subclasses spoil it. Remembers how it was asked."""

    score_threshold = 0.5
    default_mode = "generate"
    fingerprint = ""
    calls = None

    def __init__(self) -> None:
        self.requests: list[tuple[list[str], str, float]] = []
        self.truth = {record.instruction: record for record in RECORDS}

    def answer(self, masks: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], list[float]]:
        return masks, [0.9] * len(masks)

    def segment(
        self, image: Image.Image, instructions: list[str], /, *, mode: str, score_threshold: float
    ) -> list[Prediction]:
        self.requests.append((instructions, mode, score_threshold))
        return [self._predict(self.truth[text], image) for text in instructions]

    def _predict(self, record: Record, image: Image.Image) -> Prediction:
        pairs = [(i, one) for i, phrase in enumerate(record.phrases) for one in phrase.instances]
        known = np.array([decode_rle(one.rle) for _, one in pairs], dtype=np.bool_)
        masks, scores = self.answer(known.reshape(-1, HEIGHT, WIDTH))
        ids = np.array([i for i, _ in pairs][: len(masks)], dtype=np.int64)
        ids = np.pad(ids, (0, len(masks) - len(ids)))
        instances = Instances(masks, mask_boxes_xyxy(masks), np.array(scores, dtype=np.float32), ids)
        fields: dict[str, Any] = {"text": "", "instruction": record.instruction, "image": image}
        phrases = tuple(phrase.text for phrase in record.phrases)
        status = "ok" if len(instances) else "no_target"
        return Prediction(
            instances=instances, phrases=phrases, status=status, original_size=(HEIGHT, WIDTH), **fields
        )


class Silent(Oracle):
    """Finds nothing."""

    def answer(self, masks: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], list[float]]:
        return masks[:0], []


class Shifted(Oracle):
    """Every mask lies one column to the right (IoU 3/5), a wrong guess comes along with a low score."""

    def answer(self, masks: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], list[float]]:
        wrong = np.zeros((1, HEIGHT, WIDTH), dtype=np.bool_)
        wrong[0, -3:] = True
        moved = np.roll(masks, 1, axis=2)
        return np.concatenate([moved, wrong]), [*([0.9] * len(masks)), 0.2]


def toy_folder(data: Path) -> Path:
    """The toy records as a benchmark folder."""
    data.mkdir()
    write_records(data / "records.jsonl", RECORDS)
    for number, name in enumerate(("one.png", "two.png")):
        Image.new("RGB", (WIDTH, HEIGHT), (40 * number, 90, 20)).save(data / name)
    return data
