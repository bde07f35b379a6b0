"""The score of one stored or new answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from instructsam.data.record import Record
from instructsam.data.targets import decode_all, mask_codes
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.scoring import score_instruction, score_unanswered
from instructsam.evaluation.runs.answers import Answer
from instructsam.evaluation.runs.stored_prediction import UNANSWERED
from instructsam.structures.rle_masks import RleMasks
from instructsam.structures.safe_text import one_line


def score_answer(record: Record, answer: Answer, threshold: float) -> InstructionScore:
    """The numbers that one instruction contributes to every metric.

    Raises:
        InputError: a mask of the record is malformed, empty or unknown.
    """
    targets = mask_codes([one for phrase in record.phrases for one in phrase.instances], record)
    others = [mask_codes(instances, record) for instances in record.alternatives]
    score = score_instruction(
        answer.masks,
        answer.scores,
        _load(targets, record),
        threshold,
        id=record.id,
        family=record.family,
        image=record.image.file,
        ignore=decode_all([record.ignore], record)[0] if record.ignore else None,
        crowds=_load(record.crowds, record) if record.crowds else None,
        alternatives=[_load(codes, record) for codes in others],
    )
    return score_unanswered(score) if answer.status == UNANSWERED else score


def _load(codes: Sequence[Mapping[str, Any]], record: Record) -> RleMasks:
    size = (record.image.height, record.image.width)
    return RleMasks.load(codes, size, f"record {one_line(record.id)!r}")
