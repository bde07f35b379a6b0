"""The oracle takes what lies on the targets, asks as little as it can, and invents nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from instructsam.baselines.oracle_agent import OracleAgent, matched_rows
from instructsam.data.record import Record
from instructsam.data.targets import target_masks
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.runner import evaluate
from instructsam.structures.instances import Instances
from instructsam.structures.masks import mask_boxes_xyxy
from instructsam.structures.predictions import Prediction
from instructsam.world.splits.build import benchmark_records

SAMPLES = list(benchmark_records("val", 12))


class EveryMask:
    """Returns all targets of the benchmark's picture, of whatever it is asked; remembers what that was."""

    score_threshold = 0.5
    fingerprint = "every mask"
    default_mode = "direct"
    calls = None

    def __init__(self, moved: bool = False) -> None:
        self.moved = moved
        self.asked: list[str] = []

    def segment(
        self, image: Image.Image, /, *, phrases: Sequence[str], score_threshold: float | None
    ) -> Prediction:
        assert score_threshold == 0.0
        self.asked += phrases
        masks = np.concatenate([target_masks(record) for other, record in SAMPLES if other is image])
        distinct = {mask.tobytes(): mask for mask in masks if mask.any()}  # np.unique takes seconds here
        masks = np.array([distinct[key] for key in sorted(distinct)], np.bool_).reshape(-1, *masks.shape[1:])
        if self.moved:
            masks = np.roll(masks, image.width // 2, axis=2)
        scores = np.linspace(0.01, 0.9, len(masks), dtype=np.float32)
        found = Instances(masks, mask_boxes_xyxy(masks), scores, np.zeros(len(masks), dtype=np.int64))
        size = (image.height, image.width)
        return Prediction(found, tuple(phrases), "", "ok" if len(masks) else "no_target", "", size)


def benchmark() -> Benchmark:
    def source(limit: int | None) -> Iterator[tuple[Image.Image, Record]]:
        yield from SAMPLES[:limit]

    return Benchmark("few", source)


def test_with_every_mask_it_is_perfect() -> None:
    oracle = OracleAgent(EveryMask())
    entry = evaluate(oracle, benchmark()).summary["overall"]
    assert (entry["giou"], entry["set_giou"], entry["exact_set"]) == (1.0, 1.0, 1.0)
    assert oracle.calls.count("vlm") == 0
    groups = sum(len(record.phrases) for _, record in SAMPLES)
    assert oracle.calls.count("detector") >= groups, "at least one call per phrase"
    assert [call.asked for call in oracle.calls.log] == oracle.detector.asked  # type: ignore[attr-defined]


def test_it_invents_no_mask() -> None:
    oracle = OracleAgent(EveryMask(moved=True))
    entry = evaluate(oracle, benchmark()).summary["overall"]
    assert entry["giou"] < 0.6


def test_scores_keep_the_detectors_order_and_pass_the_threshold() -> None:
    oracle = OracleAgent(EveryMask())
    for image, record in SAMPLES:
        (answer,) = oracle.segment_records(image, [record], score_threshold=0.0)
        assert (answer.instances.scores >= oracle.score_threshold).all()
        assert len(answer.instances) == len(target_masks(record))
        assert answer.notes[0].endswith(("detector call", "detector calls"))


def test_one_mask_per_target_and_none_below_one_half() -> None:
    iou = np.array([[0.9, 0.55], [0.6, 0.0], [0.0, 0.49], [0.8, 0.1]])
    assert sorted(matched_rows(iou).tolist()) == [0, 3]
    assert matched_rows(np.zeros((0, 2))).tolist() == []
    assert matched_rows(np.array([[0.49, 0.2]])).tolist() == []


@pytest.mark.parametrize("meta", [{}, {"objects": "odd"}])
def test_records_of_elsewhere_are_asked_by_category(meta: dict[str, object]) -> None:
    image, record = next((image, record) for image, record in SAMPLES if target_masks(record).any())
    detector = EveryMask()
    OracleAgent(detector).segment_records(image, [replace(record, meta=meta)], score_threshold=0.0)
    kinds = {one.category for phrase in record.phrases for one in phrase.instances}
    assert set(detector.asked) <= kinds | {phrase.text for phrase in record.phrases}
