"""Answers of a model or baseline to each record of a benchmark, and their copies on disk.

A record that cannot be answered (instruction too long, image unreadable) is unanswered, with the reason; the run
continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.record import Record
from instructsam.errors import InputError, first_line
from instructsam.evaluation.benchmarks.benchmark import Loaded
from instructsam.evaluation.runs.content import ContentOf
from instructsam.evaluation.runs.predictions import UNANSWERED, PredictionFile, StoredPrediction
from instructsam.structures.answering import AnyAnswerer, Mode, takes_records
from instructsam.structures.checks import check_fraction
from instructsam.structures.predictions import Prediction
from instructsam.structures.rle_masks import RleMasks
from instructsam.structures.safe_text import one_line


@dataclass(frozen=True, eq=False)
class Answer:
    """All ranked candidates for one instruction: N masks, scores float64 [N].

    `reason` says why there is no answer; it is empty where there is one.
    """

    masks: RleMasks
    scores: NDArray[np.float64]
    status: str
    seconds: float
    reason: str = ""

    @classmethod
    def from_stored(cls, item: StoredPrediction) -> Answer:
        """The answer of one line of predictions.jsonl."""
        scores = np.asarray(item.scores, dtype=np.float64)
        return cls(item.load_masks(), scores, item.status, item.seconds, item.reason)

    @classmethod
    def unanswered(cls, record: Record, reason: str) -> Answer:
        """Nothing, and why."""
        nothing = RleMasks.none((record.image.height, record.image.width))
        return cls(nothing, np.zeros(0), UNANSWERED, 0.0, reason)


Outcome: TypeAlias = tuple[Prediction, float] | InputError


class Keeper:
    """Answers that are on disk, and where new ones go.

    Args:
        store: the file.
        content_of: digest of what the segmenter is given of a record.

    Attributes:
        changed: ids whose stored answer is for another instruction or picture; they are answered again.
    """

    def __init__(self, store: PredictionFile, content_of: ContentOf) -> None:
        self.store, self.content_of = store, content_of
        self.changed: list[str] = []

    def known(self, record: Record) -> StoredPrediction | None:
        """The stored answer to exactly this record; one that is unanswered is tried again."""
        item = self.store.done.get(record.id)
        if item is None or not item.answered:
            return None
        if item.content != self.content_of(record):
            self.changed.append(record.id)
            return None
        return item

    def keep(self, record: Record, outcome: Outcome) -> None:
        """Append an answer, or the reason why there is none."""
        content = self.content_of(record)
        if not isinstance(outcome, InputError):
            prediction, seconds = outcome
            item = StoredPrediction.from_prediction(
                prediction, id=record.id, family=record.family, seconds=seconds, content=content
            )
            item = replace(item, instruction=record.instruction)  # a baseline may have rewritten it
        else:
            before = self.store.done.get(record.id)
            item = _no_answer(record, outcome, content)
            if before is not None and (before.content, before.reason) == (content, item.reason):
                return
        self.store.append(item)


@contextmanager
def keeping(path: Path | None, header: Mapping[str, str], content_of: ContentOf) -> Iterator[Keeper | None]:
    """Opens the file of a run, and closes it; None without a path. The caller holds the lock of its folder."""
    if path is None:
        yield None
        return
    with PredictionFile(path, header) as store:
        yield Keeper(store, content_of)


def predict_all(
    segmenter: AnyAnswerer,
    samples: Iterator[Loaded],
    mode: Mode,
    keeper: Keeper | None = None,
    warn: Callable[[str], None] | None = None,
) -> Iterator[tuple[Record, Answer]]:
    """Each record with its answer, in order; one call of the segmenter per picture.

    Args:
        samples: of `Benchmark.load` or `iterate`.
        keeper: what is on disk is not predicted again, and what is new is kept there.
        warn: called with one line for each record that is unanswered.
    """
    for _, group in groupby(samples, key=lambda sample: sample[1].image.file):
        pairs = list(group)
        stored = {} if keeper is None else {r.id: item for _, r in pairs if (item := keeper.known(r))}
        outcomes: dict[str, Outcome] = {
            record.id: image
            for image, record in pairs
            if record.id not in stored and isinstance(image, InputError)
        }
        records = [record for _, record in pairs if record.id not in stored and record.id not in outcomes]
        pictures = [image for image, _ in pairs if isinstance(image, Image.Image)]
        if records:
            outcomes |= _predict_image(segmenter, pictures[0], records, mode)
        for _, record in pairs:
            if record.id in stored:
                yield record, Answer.from_stored(stored[record.id])
                continue
            outcome = outcomes[record.id]
            if keeper is not None:
                keeper.keep(record, outcome)
            yield record, _answer(record, outcome, warn)


def _answer(record: Record, outcome: Outcome, warn: Callable[[str], None] | None) -> Answer:
    if isinstance(outcome, InputError):
        if warn is not None:
            warn(f"{one_line(record.id, 80)}: unanswered, {one_line(first_line(outcome))}")
        return Answer.unanswered(record, first_line(outcome))
    prediction, seconds = outcome
    found = prediction.instances
    masks = RleMasks.encode(found.masks)
    return Answer(masks, found.scores.astype(np.float64), prediction.status, seconds)


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


def _predict_image(
    segmenter: AnyAnswerer, image: Image.Image, records: Sequence[Record], mode: Mode
) -> dict[str, Outcome]:
    """The answers about one picture; where the call refuses its input, halves are tried until the one is found."""
    start = time.perf_counter()
    try:
        if takes_records(segmenter):
            answers = segmenter.segment_records(image, records, score_threshold=0.0)
        else:
            instructions = [record.instruction for record in records]
            answers = segmenter.segment(image, instructions, mode=mode, score_threshold=0.0)
    except InputError as error:
        if len(records) == 1:
            return {records[0].id: error}
        middle = len(records) // 2
        return {
            **_predict_image(segmenter, image, records[:middle], mode),
            **_predict_image(segmenter, image, records[middle:], mode),
        }
    seconds = (time.perf_counter() - start) / len(records)
    if len(answers) != len(records):
        raise InputError(f"a segmenter must return {len(records)} predictions, got {len(answers)}")
    return {record.id: (answer, seconds) for record, answer in zip(records, answers, strict=True)}


def threshold_of(segmenter: AnyAnswerer, score_threshold: float | None) -> float:
    """The caller's threshold, or the segmenter's own for None.

    Raises:
        InputError: it is no number from 0 to 1.
    """
    chosen = segmenter.score_threshold if score_threshold is None else score_threshold
    return check_fraction(chosen, "score_threshold")
