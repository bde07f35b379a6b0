"""Detection and re-grounding with a scripted model: masks are columns of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.candidates import Candidate, CandidatePhrase, candidate_to_dict, parse_instances
from instructsam.engine.rows import ImageRow
from instructsam.engine.stages.base import LocalStage
from instructsam.engine.stages.detect import DetectStage
from instructsam.engine.stages.reground import RegroundStage
from instructsam.engine.stages.table import build_stages
from instructsam.engine.tasks import Task
from instructsam.errors import InputError
from instructsam.structures.instances import Instances
from instructsam.structures.masks import decode_rle, encode_rle, mask_boxes_xyxy
from instructsam.structures.predictions import Prediction
from tests.engine.scripted_flow import make_config

SIZE = (10, 60)


def bar(start: int, end: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros(SIZE, dtype=np.bool_)
    mask[:, start:end] = True
    return mask


class Script:
    """An answerer that returns (phrase, start, end, score) bars, best or not."""

    score_threshold = 0.5
    default_mode = "generate"
    fingerprint = "weights-1"
    calls = None

    def __init__(self, *bars: tuple[int, int, int, float]) -> None:
        self.bars = bars
        self.requests: list[Any] = []

    def segment(self, image: Image.Image, instruction: Any = None, /, **options: Any) -> Any:
        assert image.size == SIZE[::-1], "the full size"
        self.requests.append((instruction, options))
        phrases = options.get("phrases") or ["written by the model"]
        bars = [bar for bar in self.bars if bar[3] >= options["score_threshold"]]
        masks = np.array([bar(start, end) for _, start, end, _ in bars], dtype=np.bool_).reshape(-1, *SIZE)
        found = Instances(
            masks,
            mask_boxes_xyxy(masks),
            np.array([score for *_, score in bars], dtype=np.float32),
            np.array([phrase for phrase, *_ in bars], dtype=np.int64),
        )
        answer = Prediction(found, tuple(phrases), "", "ok", "", SIZE)
        return answer if instruction is None else [answer]


class Full:
    def full(self, row: ImageRow) -> Image.Image:
        return Image.new("RGB", (row.image.width, row.image.height))

    clean = marked = full


def row(*instances: InstanceRecord) -> ImageRow:
    return ImageRow("row", ImageRef("a.png", *SIZE), instances)


def masked(start: int, end: int) -> InstanceRecord:
    return InstanceRecord(rle=encode_rle(bar(start, end)))


def detect(script: Script, concepts: Sequence[str]) -> dict[str, Any]:
    found = DetectStage(script, 0.5, 0.7).run(Task("detect", row(), {"concepts": list(concepts)}), Full())
    return found


def test_detected_objects_have_masks_categories_and_scores() -> None:
    script = Script((1, 0, 10, 0.6), (0, 20, 30, 0.9), (1, 40, 40, 0.95), (0, 50, 55, 0.4))
    found = detect(script, ["mug", "plate"])
    instances = parse_instances(found["instances"])
    assert [(one.category, decode_rle(one.rle or {}).sum()) for one in instances] == [
        ("mug", 100),
        ("plate", 100),
    ]
    assert found["scores"] == [0.9, 0.6], "the best first; an empty mask and a low score are left out"
    assert script.requests == [(None, {"phrases": ["mug", "plate"], "score_threshold": 0.5})]


def test_of_two_overlapping_objects_the_better_one_stays_across_concepts() -> None:
    chain = ((0, 0, 10, 0.9), (1, 1, 11, 0.8), (1, 3, 13, 0.7), (0, 30, 40, 0.6), (0, 30, 40, 0.6))
    instances = parse_instances(detect(Script(*chain), ["cup", "mug"])["instances"])
    kept = [(one.category, np.flatnonzero(decode_rle(one.rle or {})[0])[0]) for one in instances]
    assert kept == [("cup", 0), ("mug", 3), ("cup", 30)], "suppressed objects suppress nothing"


def test_nothing_detected() -> None:
    assert detect(Script(), ["mug"]) == {"instances": [], "scores": []}


TWO = row(masked(0, 10), masked(20, 30), masked(40, 50))
PHRASES = (CandidatePhrase("mugs", (1, 2)), CandidatePhrase("plate", (3,)))


def reground(
    script: Script,
    phrases: tuple[CandidatePhrase, ...] = PHRASES,
    words: Any = "phrases",
    objects: ImageRow = TWO,
) -> dict[str, Any]:
    candidate = Candidate("row#0", "several", "the mugs and the plate", phrases)
    task = Task("reground", objects, {"candidate": candidate_to_dict(candidate)})
    return RegroundStage(script, words, 0.5).run(task, Full())


def test_each_phrase_has_its_own_instances() -> None:
    exact = ((0, 0, 10, 0.9), (0, 20, 30, 0.9), (1, 40, 50, 0.9))
    assert reground(Script(*exact)) == {"set_giou": 1.0, "phrases": [1.0, 1.0], "found": 3}
    swapped = ((1, 0, 10, 0.9), (0, 20, 30, 0.9), (1, 40, 50, 0.9))
    assert reground(Script(*swapped)) == {"set_giou": 0.5, "phrases": [0.5, 0.5], "found": 3}
    missing = reground(Script(*exact[:2]))
    assert (missing["set_giou"], missing["phrases"]) == (0.0, [1.0, 0.0])


def test_a_phrase_without_target_must_return_nothing() -> None:
    nothing = (CandidatePhrase("forks", ()),)
    assert reground(Script(), nothing)["set_giou"] == 1.0
    assert reground(Script((0, 0, 5, 0.9)), nothing)["set_giou"] == 0.0
    assert reground(Script((0, 0, 5, 0.4)), nothing)["set_giou"] == 1.0, "below the threshold of scores"


def test_the_whole_instruction_pools_all_instances() -> None:
    script = Script((0, 0, 10, 0.9), (0, 20, 30, 0.9), (0, 40, 45, 0.9))
    assert reground(script, words="instruction") == {"set_giou": 0.8333, "phrases": [0.8333], "found": 3}
    assert script.requests == [(["the mugs and the plate"], {"mode": "auto", "score_threshold": 0.5})]


def test_objects_that_are_boxes_are_compared_as_boxes() -> None:
    boxes = row(InstanceRecord(box_xywh=(0.0, 0.0, 10.0, 10.0)), masked(20, 30))
    phrases = (CandidatePhrase("mugs", (1, 2)),)
    assert reground(Script((0, 0, 10, 0.9), (0, 20, 30, 0.9)), phrases, objects=boxes)["set_giou"] == 1.0
    point = row(InstanceRecord(point_xy=(3.0, 3.0)))
    with pytest.raises(InputError, match="object 1 is a point"):
        reground(Script(), (CandidatePhrase("mug", (1,)),), objects=point)


def test_fingerprints_differ_between_weights_and_settings() -> None:
    script, other = Script(), Script()
    other.fingerprint = "weights-2"
    found = {
        DetectStage(script, 0.5, 0.7).fingerprint,
        DetectStage(other, 0.5, 0.7).fingerprint,
        DetectStage(script, 0.4, 0.7).fingerprint,
        DetectStage(script, 0.5, 0.6).fingerprint,
        RegroundStage(script, "phrases", 0.5).fingerprint,
        RegroundStage(other, "phrases", 0.5).fingerprint,
        RegroundStage(script, "instruction", 0.5).fingerprint,
        RegroundStage(script, "phrases", 0.4).fingerprint,
    }
    assert len(found) == 8


def test_the_table_holds_them_where_they_are_configured() -> None:
    config = make_config(source={"data": "photos", "detector": "sam3:x"}, reground={"model": "sam3:x"})
    script = Script()
    stages = build_stages(config, detector=script, regrounder=script)
    assert isinstance(stages["detect"], LocalStage)
    assert isinstance(stages["reground"], LocalStage)
