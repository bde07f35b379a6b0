"""Objects for images that have none: a detector in this process, called with noun phrases."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from instructsam.data.record import InstanceRecord
from instructsam.engine.candidates import instances_to_list
from instructsam.engine.digests import digest
from instructsam.engine.stages.base import Pictures
from instructsam.engine.tasks import Task
from instructsam.structures.answering import Answerer
from instructsam.structures.rle_masks import RleMasks

_VERSION = 1


class DetectStage:
    """Every instance of every concept; of two that overlap, whatever their concepts, the one with the better score."""

    name: ClassVar[str] = "detect"

    def __init__(self, answerer: Answerer, score_threshold: float, max_overlap: float) -> None:
        """
        Args:
            answerer: the detector.
            score_threshold: least score of an object.
            max_overlap: largest IoU of the masks of two objects.
        """
        self.answerer = answerer
        self.score_threshold, self.max_overlap = score_threshold, max_overlap

    @property
    def fingerprint(self) -> str:
        """Differs between weights and settings."""
        settings = [self.answerer.fingerprint, self.score_threshold, self.max_overlap]
        return digest([self.name, _VERSION, settings])

    def run(self, task: Task, pictures: Pictures) -> dict[str, Any]:
        """{"instances": objects with mask and category, the best score first, "scores": theirs}."""
        concepts = [str(concept) for concept in task.subject["concepts"]]
        answer = self.answerer.segment(
            pictures.full(task.row), phrases=concepts, score_threshold=self.score_threshold
        )
        found = answer.instances
        order = np.argsort(-found.scores, kind="stable")
        order = order[found.areas[order] > 0]
        codes = found.encode_rles()
        masks = RleMasks.load([codes[index] for index in order], found.size, task.row.id)
        kept = order[suppress(masks, self.max_overlap)]
        instances = [
            InstanceRecord(rle=codes[index], category=concepts[found.phrase_ids[index]]) for index in kept
        ]
        scores = [round(float(found.scores[index]), 4) for index in kept]
        return {"instances": instances_to_list(instances), "scores": scores}


def suppress(masks: RleMasks, max_overlap: float) -> NDArray[np.int64]:
    """The indices of the masks that remain of N ranked ones (the best first) after suppression by IoU, ascending."""
    iou = masks.iou(masks)
    kept: list[int] = []
    for index in range(len(masks)):
        if not kept or iou[index, kept].max() <= max_overlap:
            kept.append(index)
    return np.array(kept, dtype=np.int64)
