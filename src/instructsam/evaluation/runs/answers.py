"""Answers of a model or baseline to each record of a benchmark, and their copies on disk.

A record that cannot be answered (instruction too long, image unreadable) is unanswered, with the reason; the run
continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.record import Record
from instructsam.errors import InputError, first_line
from instructsam.evaluation.benchmarks.benchmark import Loaded
from instructsam.evaluation.runs.answer_store import AnswerStore, Outcome
from instructsam.evaluation.runs.stored_prediction import UNANSWERED, StoredPrediction
from instructsam.structures.answering import AnyAnswerer, Mode, takes_records
from instructsam.structures.checks import check_fraction
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


def predict_all(
    segmenter: AnyAnswerer,
    samples: Iterator[Loaded],
    mode: Mode,
    store: AnswerStore | None = None,
    warn: Callable[[str], None] | None = None,
) -> Iterator[tuple[Record, Answer]]:
    """Each record with its answer, in order; one call of the segmenter per image.

    Args:
        samples: of `Benchmark.load` or `iterate`.
        store: stored answers are not predicted again, and new ones are added.
        warn: called with one line for each record that is unanswered.
    """
    for _, group in groupby(samples, key=lambda sample: sample[1].image.file):
        pairs = list(group)
        stored = {} if store is None else {r.id: item for _, r in pairs if (item := store.find(r))}
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
            if store is not None:
                store.add(record, outcome)
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


def _predict_image(
    segmenter: AnyAnswerer, image: Image.Image, records: Sequence[Record], mode: Mode
) -> dict[str, Outcome]:
    """The answers about one image; where the call refuses its input, halves are tried until the record is found."""
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
