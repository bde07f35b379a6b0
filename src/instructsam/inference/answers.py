"""Predictions of a call: their status, their notes, and one prediction out of several passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction, Status

if TYPE_CHECKING:
    from instructsam.images.loader import LoadedImage
    from instructsam.inference.requests import Request
    from instructsam.model.generation import Reply

# The status of an answer of several passes is the first of these that one of them has.
STATUS_ORDER: tuple[Status, ...] = ("truncated", "malformed", "saturated", "ok")


def status_of(instances: Instances, num_phrases: int, reply: Reply | None, limit: int | None) -> Status:
    """Status of a prediction; lost answers are reported first: truncated, malformed, saturated, no target.

    Args:
        limit: instances that one phrase can have; None without a limit.
    """
    if reply is not None and reply.truncated:
        return "truncated"
    if reply is not None and reply.malformed and not num_phrases:
        return "malformed"
    counts = [int((instances.phrase_ids == phrase).sum()) for phrase in range(num_phrases)]
    if limit is not None and any(count >= limit for count in counts):
        return "saturated"
    return "ok" if len(instances) else "no_target"


def notes(image: LoadedImage, reply: Reply | None) -> tuple[str, ...]:
    """Notes for the user about the image and the reply."""
    malformed = (
        ("the model's reply was malformed; parts of it were skipped",) if reply and reply.malformed else ()
    )
    empty = (
        ("the model's reply names no phrase, so nothing was looked for",)
        if reply and not reply.phrases
        else ()
    )
    return (*image.notes, *malformed, *empty)


def answers(predictions: Sequence[Prediction], request: Request) -> list[Prediction]:
    """One prediction per answer: the passes of a long list of phrases become one."""
    ends = list(accumulate(request.passes))
    return [
        _joined(predictions[end - count : end], request.instruction)
        for end, count in zip(ends, request.passes, strict=True)
    ]


def _joined(parts: Sequence[Prediction], instruction: str) -> Prediction:
    if len(parts) == 1:
        return parts[0]
    instances: list[Instances] = []
    phrases: tuple[str, ...] = ()
    for part in parts:
        instances.append(replace(part.instances, phrase_ids=part.instances.phrase_ids + len(phrases)))
        phrases += part.phrases
    statuses = {part.status for part in parts}
    return replace(
        parts[0],
        instances=Instances.concatenate(instances),
        phrases=phrases,
        status=next((status for status in STATUS_ORDER if status in statuses), "no_target"),
        instruction=instruction,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )
