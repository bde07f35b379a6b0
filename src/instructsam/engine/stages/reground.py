"""Segment a candidate again: another model, given the same words, must return the same objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from instructsam.data.record import InstanceRecord
from instructsam.data.regions import region_code
from instructsam.engine.candidates import Candidate
from instructsam.engine.digests import digest
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.reground import RegroundWords
from instructsam.engine.stages.base import Pictures
from instructsam.engine.stages.verifier import candidate_of
from instructsam.engine.tasks import Task
from instructsam.errors import InputError
from instructsam.structures.answering import Answerer
from instructsam.structures.boxes import xyxy_to_xywh
from instructsam.structures.matching import set_giou
from instructsam.structures.predictions import Prediction
from instructsam.structures.rle_masks import RleMasks
from instructsam.structures.safe_text import one_line

_VERSION = 1


class RegroundStage:
    """The set gIoU of an answerer's instances and the candidate's, for each phrase or for the whole instruction."""

    name: ClassVar[str] = "reground"

    def __init__(self, answerer: Answerer, words: RegroundWords, score_threshold: float) -> None:
        """
        Args:
            answerer: a model that answers phrases or instructions.
            words: "phrases": each phrase has its own instances; "instruction": all instances together.
            score_threshold: least score of an instance.
        """
        self.answerer, self.words, self.score_threshold = answerer, words, score_threshold

    @property
    def fingerprint(self) -> str:
        """Differs between weights and settings."""
        return digest([self.name, _VERSION, self.answerer.fingerprint, self.words, self.score_threshold])

    def run(self, task: Task, pictures: Pictures) -> dict[str, Any]:
        """{"set_giou": the least of all phrases, "phrases": set gIoU of each, "found": number of instances}.

        Raises:
            InputError: an object of the candidate is known by a point alone.
        """
        candidate = candidate_of(task)
        _check_no_points(task.row, candidate.numbers)
        answer, sets = self._answer(task, candidate, pictures)
        size = (task.row.image.height, task.row.image.width)
        found = RleMasks.load(answer.instances.encode_rles(), size, task.row.id)
        filled = found.areas() > 0
        scores = [
            round(score_set(task.row, numbers, found.select(np.flatnonzero(chosen & filled))), 4)
            for numbers, chosen in sets
        ]
        return {"set_giou": min(scores), "phrases": scores, "found": len(answer.instances)}

    def _answer(
        self, task: Task, candidate: Candidate, pictures: Pictures
    ) -> tuple[Prediction, list[tuple[tuple[int, ...], NDArray[np.bool_]]]]:
        """The prediction, with pairs of claimed numbers and the instances [N] to compare them with."""
        image = pictures.full(task.row)
        if self.words == "instruction":
            (answer,) = self.answerer.segment(
                image, [candidate.instruction], mode="auto", score_threshold=self.score_threshold
            )
            return answer, [(candidate.numbers, np.ones(len(answer.instances), dtype=np.bool_))]
        phrases = [phrase.text for phrase in candidate.phrases]
        answer = self.answerer.segment(image, phrases=phrases, score_threshold=self.score_threshold)
        ids = answer.instances.phrase_ids
        return answer, [(phrase.numbers, ids == index) for index, phrase in enumerate(candidate.phrases)]


def score_set(row: ImageRow, numbers: Sequence[int], found: RleMasks) -> float:
    """Set gIoU of masks and the row's objects of these numbers; by boxes where an object has no mask."""
    objects = [row.instances[number - 1] for number in numbers]
    targets = RleMasks.load([region_code(one, row.image) for one in objects], found.size, row.id)
    if any(one.known == "box" for one in objects):
        found, targets = _filled_boxes(found, row), _filled_boxes(targets, row)
    return set_giou(found.iou(targets))


def _filled_boxes(masks: RleMasks, row: ImageRow) -> RleMasks:
    """The tight box of each mask, filled."""
    boxes = xyxy_to_xywh(masks.boxes_xyxy())
    codes = [region_code(InstanceRecord(box_xywh=(x, y, w, h)), row.image) for x, y, w, h in boxes.tolist()]
    return RleMasks.load(codes, masks.size, row.id)


def _check_no_points(row: ImageRow, numbers: Sequence[int]) -> None:
    for number in numbers:
        if row.instances[number - 1].known == "point":
            raise InputError(
                f"row {one_line(row.id)!r}: re-grounding needs objects with masks or boxes, and object {number} is a "
                'point: set reground.model to "" for this source'
            )
