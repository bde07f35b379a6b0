"""Findings in one record, without its image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instructsam.data.record import InstanceRecord, PhraseRecord, Record
from instructsam.data.record_fields import Box
from instructsam.data.regions import region_code
from instructsam.experiments.data_check import findings as f
from instructsam.experiments.data_check.findings import Findings
from instructsam.experiments.data_check.limits import ModelLimits
from instructsam.experiments.data_check.selection import digest_of
from instructsam.structures.rle_masks import RleMasks
from instructsam.structures.safe_text import one_line
from instructsam.training.augmentation.words import mirrored

FEWEST_PIXELS = 16
FULL_SHARE = 0.95  # of the image
SAME_MASK_IOU = 0.95
FITTING_IOU = 0.5  # of a box with the box around its mask
_MOST_COMPARED = 100  # objects of a phrase whose masks are compared with one another
_MOST_REMEMBERED = 2_000_000  # instructions in which repetitions are found


class RecordCheck:
    """Checks of the records of a source, one after the other.

    Attributes:
        findings: of all records so far.
    """

    def __init__(self, limits: ModelLimits | None = None) -> None:
        self.findings = Findings()
        self._limits = limits
        self._answers: dict[int, int] = {}

    def add(self, record: Record) -> None:
        """Check one more record."""
        place = f"record {one_line(record.id)!r}"
        for phrase in record.phrases:
            self._check_objects(phrase, record, place)
        other = mirrored(record.instruction)
        if other is None:
            self.findings.add(f.NEVER_MIRRORED, place)
        elif other != record.instruction:
            self.findings.add(f.SIDES, place)
        self._check_repetition(record, place)
        if self._limits is not None:
            self._check_limits(record, self._limits, place)

    def _check_objects(self, phrase: PhraseRecord, record: Record, place: str) -> None:
        size = (record.image.height, record.image.width)
        unique: dict[str, InstanceRecord] = {}
        for thing in phrase.instances:
            unique.setdefault(str(region_code(thing, record.image)["counts"]), thing)
            if thing.box_xywh is not None and _leaves(thing.box_xywh, size):
                self.findings.add(f.OUTSIDE, place)
        self.findings.add(f.SAME_OBJECT, place, len(phrase.instances) - len(unique))
        with_mask = [thing for thing in unique.values() if thing.rle is not None]
        if not with_mask:
            return
        masks = RleMasks.load([thing.rle for thing in with_mask if thing.rle is not None], size, place)
        areas = masks.areas()
        self.findings.add(f.TINY, place, int((areas < FEWEST_PIXELS).sum()))
        self.findings.add(f.FULL, place, int((areas > FULL_SHARE * size[0] * size[1]).sum()))
        for thing, box in zip(with_mask, masks.boxes_xyxy(), strict=True):
            if thing.box_xywh is not None and not _fits(thing.box_xywh, box):
                self.findings.add(f.MISFIT, place)
        if 1 < len(masks) <= _MOST_COMPARED:
            same = np.triu(masks.iou(masks) > SAME_MASK_IOU, k=1)
            self.findings.add(f.OVERLAP, place, int(same.sum()))

    def _check_repetition(self, record: Record, place: str) -> None:
        key = digest_of(record.image.file, " ".join(record.instruction.lower().split()))
        codes = {
            str(region_code(thing, record.image)["counts"])
            for phrase in record.phrases
            for thing in phrase.instances
        }
        answer = digest_of(*sorted(codes))
        before = self._answers.get(key)
        if before is not None:
            self.findings.add(f.REPEATED if before == answer else f.CONTRADICTION, place)
        elif len(self._answers) < _MOST_REMEMBERED:
            self._answers[key] = answer

    def _check_limits(self, record: Record, limits: ModelLimits, place: str) -> None:
        texts = (record.instruction, *(phrase.text for phrase in record.phrases))
        if any(limits.count_tokens(text) > limits.max_instruction_tokens for text in texts):
            self.findings.add(f.TOO_LONG, place)
        most = max((len(phrase.instances) for phrase in record.phrases), default=0)
        if most > limits.num_queries:
            self.findings.add(f.TOO_MANY, place)


def _leaves(box_xywh: Box, size: tuple[int, int]) -> bool:
    x, y, width, height = box_xywh
    return x < 0 or y < 0 or x + width > size[1] or y + height > size[0]


def _fits(box_xywh: Box, around_xyxy: NDArray[np.float64]) -> bool:
    """Whether a box is about the one around a mask."""
    x, y, width, height = box_xywh
    left, top, right, bottom = around_xyxy.tolist()
    across = min(x + width, right) - max(x, left)
    down = min(y + height, bottom) - max(y, top)
    shared = max(across, 0.0) * max(down, 0.0)
    union = width * height + (right - left) * (bottom - top) - shared
    return bool(shared >= FITTING_IOU * union)
