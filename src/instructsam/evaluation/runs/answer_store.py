"""Stored answers of a run, so that it can be resumed: each is found by its record and the content it was given for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from instructsam.data.record import Record
from instructsam.errors import InputError, first_line
from instructsam.evaluation.runs.content import ContentOf
from instructsam.evaluation.runs.predictions import PredictionFile
from instructsam.evaluation.runs.stored_prediction import UNANSWERED, StoredPrediction
from instructsam.structures.predictions import Prediction

Outcome: TypeAlias = tuple[Prediction, float] | InputError
"""A prediction with its seconds, or the reason why there is none."""


class AnswerStore:
    """Answers that are on disk, and where new ones go.

    Args:
        file: the predictions of the run.
        content_of: digest of the part of a record that the segmenter is given.

    Attributes:
        changed: ids whose stored answer is for another instruction or picture; they are answered again.
    """

    def __init__(self, file: PredictionFile, content_of: ContentOf) -> None:
        self.file, self.content_of = file, content_of
        self.changed: list[str] = []

    def find(self, record: Record) -> StoredPrediction | None:
        """The stored answer to exactly this record; one that is unanswered is tried again."""
        item = self.file.done.get(record.id)
        if item is None or not item.answered:
            return None
        if item.content != self.content_of(record):
            self.changed.append(record.id)
            return None
        return item

    def add(self, record: Record, outcome: Outcome) -> None:
        """Append an answer, or the reason why there is none."""
        content = self.content_of(record)
        if not isinstance(outcome, InputError):
            prediction, seconds = outcome
            item = StoredPrediction.from_prediction(
                prediction, id=record.id, family=record.family, seconds=seconds, content=content
            )
            item = replace(item, instruction=record.instruction)  # a baseline may have rewritten it
        else:
            before = self.file.done.get(record.id)
            item = _no_answer(record, outcome, content)
            if before is not None and (before.content, before.reason) == (content, item.reason):
                return
        self.file.append(item)


@contextmanager
def open_answer_store(
    path: Path | None, header: Mapping[str, str], content_of: ContentOf
) -> Iterator[AnswerStore | None]:
    """Opens the file of a run, and closes it; None without a path. The caller holds the lock of its folder."""
    if path is None:
        yield None
        return
    with PredictionFile(path, header) as file:
        yield AnswerStore(file, content_of)


def _no_answer(record: Record, error: InputError, content: str) -> StoredPrediction:
    size = (record.image.height, record.image.width)
    none: tuple[()] = ()
    return StoredPrediction(
        record.id,
        record.instruction,
        record.family,
        none,
        UNANSWERED,
        size,
        none,
        none,
        none,
        0.0,
        content,
        first_line(error),
    )
